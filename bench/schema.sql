-- Two equal blogs of 10,000 users, 50,000 posts and 200,000 comments: tb_* is read by TVIEWs, bare_* by nothing.
CREATE TABLE tb_user (pk_user int PRIMARY KEY, id uuid NOT NULL DEFAULT gen_random_uuid(), name text NOT NULL, visits int NOT NULL DEFAULT 0);
CREATE TABLE tb_post (pk_post int PRIMARY KEY, id uuid NOT NULL DEFAULT gen_random_uuid(), fk_user int NOT NULL REFERENCES tb_user, title text NOT NULL,
  body text NOT NULL);
CREATE INDEX ON tb_post (fk_user);
CREATE TABLE tb_comment (pk_comment int PRIMARY KEY, fk_post int NOT NULL REFERENCES tb_post, fk_user int NOT NULL REFERENCES tb_user, body text NOT NULL);
CREATE INDEX ON tb_comment (fk_post);
CREATE INDEX ON tb_comment (fk_user);
INSERT INTO tb_user SELECT g, gen_random_uuid(), 'User ' || g FROM generate_series(1, 10000) g;
INSERT INTO tb_post SELECT g, gen_random_uuid(), 1 + g % 10000, 'Post ' || g, repeat('word ', 40) FROM generate_series(1, 50000) g;
INSERT INTO tb_comment SELECT g, 1 + g % 50000, 1 + (g * 7919) % 10000, 'Comment ' || g FROM generate_series(1, 200000) g;
CREATE TABLE bare_comment (LIKE tb_comment INCLUDING ALL, FOREIGN KEY (fk_post) REFERENCES tb_post, FOREIGN KEY (fk_user) REFERENCES tb_user);
INSERT INTO bare_comment SELECT * FROM tb_comment;
VACUUM ANALYZE;
CREATE TABLE tv_post AS
SELECT p.pk_post, p.id, p.fk_user,
       jsonb_build_object('id', p.id, 'title', p.title, 'author', jsonb_build_object('id', u.id, 'name', u.name),
         'comments', COALESCE((SELECT jsonb_agg(jsonb_build_object('body', c.body, 'by', cu.name) ORDER BY c.pk_comment)
                               FROM tb_comment c JOIN tb_user cu ON cu.pk_user = c.fk_user WHERE c.fk_post = p.pk_post), '[]')) AS data
FROM tb_post p JOIN tb_user u ON u.pk_user = p.fk_user;
ANALYZE;
