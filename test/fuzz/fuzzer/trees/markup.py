"""SQL text with marked parts that may be left out: what shrinking works on."""

OPEN, CLOSE, ELSE = "⟦", "⟧", "¦"


def opt(text, instead=""):
    """A part that may be replaced by `instead`."""
    return f"{OPEN}{text}{ELSE}{instead}{CLOSE}"


def render(text, dropped=frozenset()):
    """The SQL, without the parts whose numbers (by order of their opening marks) are in `dropped`."""
    frames, number = [[[], [], 0, -1]], -1   # kept text, replacement, which of the two is being read, number
    for char in text:
        if char == OPEN:
            number += 1
            frames.append([[], [], 0, number])
        elif char == ELSE:
            frames[-1][2] = 1
        elif char == CLOSE:
            kept, instead, _, own = frames.pop()
            frames[-1][frames[-1][2]].extend(instead if own in dropped else kept)
        else:
            frames[-1][frames[-1][2]].append(char)
    sql = "".join(frames[0][0])
    return sql.replace("WHERE true AND ", "WHERE ").replace(" WHERE true)", ")").removesuffix(" WHERE true")


def parts(text):
    return text.count(OPEN)


def bake(text, dropped):
    """The marked text without the dropped parts; the other marks stay."""
    out, skip, number, stack = [], 0, -1, []
    for char in text:
        if char == OPEN:
            number += 1
            gone = number in dropped
            stack.append((gone, skip))
            if gone:
                skip += 1
            elif not skip:
                out.append(char)
        elif char == ELSE:
            gone, outside = stack[-1]
            if gone:
                skip = outside
            elif not skip:
                out.append(char)
        elif char == CLOSE:
            gone, outside = stack.pop()
            if not gone and not skip:
                out.append(char)
            skip = outside
        elif not skip:
            out.append(char)
    return "".join(out)
