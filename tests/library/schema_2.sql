BEGIN TRANSACTION;
CREATE TABLE prototype_tags (
	prototype_id VARCHAR(32) NOT NULL, 
	text VARCHAR(50) NOT NULL, 
	PRIMARY KEY (prototype_id, text), 
	FOREIGN KEY(prototype_id) REFERENCES prototypes (id) ON DELETE CASCADE
);
INSERT INTO "prototype_tags" VALUES('f5abc50b0bf744c2','favourite');
CREATE TABLE prototypes (
	id VARCHAR(32) NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	stem VARCHAR(255) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	repeatable BOOLEAN NOT NULL, 
	preset VARCHAR(100) NOT NULL, 
	class_index INTEGER NOT NULL, 
	class_name VARCHAR(1000) NOT NULL, 
	class_label VARCHAR(1020) NOT NULL, 
	seed INTEGER NOT NULL, 
	steps INTEGER NOT NULL, 
	logit DOUBLE NOT NULL, 
	probability DOUBLE NOT NULL, 
	naturalness JSON, 
	similarity DOUBLE, 
	deleted_at VARCHAR(40), 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "prototypes" VALUES('f5abc50b0bf744c2','fdba4164d7eb8f1f',0,'tiny_1_golf-ball_seed0','my golf ball','2026-11-27T00:20:30.608511+00:00','74696e7900000000000000000000000000000001000000000000000000000000',1,'Paper',1,'golf ball','1 · golf ball',0,4,3.5,0.9,'null',NULL,NULL);
INSERT INTO "prototypes" VALUES('45c5de50d94da298','fdba4164d7eb8f1f',1,'tiny_2_french-horn_seed3','French horn · seed 3','2026-11-27T00:20:30.608511+00:00','74696e7900000000000000000000000000000002000000000000000000000003',1,'Paper',2,'French horn','2 · French horn',3,4,3.5,0.9,'null',NULL,'2026-11-27T00:20:30.792228+00:00');
CREATE TABLE review_events (
	review_id VARCHAR(32) NOT NULL, 
	seq INTEGER NOT NULL, 
	content JSON NOT NULL, 
	PRIMARY KEY (review_id, seq), 
	FOREIGN KEY(review_id) REFERENCES reviews (id) ON DELETE CASCADE
);
CREATE TABLE reviews (
	id VARCHAR(32) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	model_title VARCHAR(700) NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	changed VARCHAR(40) NOT NULL, 
	deleted_at VARCHAR(40), 
	PRIMARY KEY (id)
);
CREATE TABLE runs (
	id VARCHAR(32) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	seconds DOUBLE NOT NULL, 
	model VARCHAR(300) NOT NULL, 
	weights VARCHAR(300) NOT NULL, 
	source VARCHAR(40) NOT NULL, 
	weight_hash VARCHAR(64) NOT NULL, 
	model_title VARCHAR(620) NOT NULL, 
	model_link TEXT NOT NULL, 
	note TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('fdba4164d7eb8f1f','a tiny run','generation','2026-11-27T00:20:30.608511+00:00','done',1.5,'tiny','TEST_V1','module','abababababababababababababababababababababababababababababababab','tiny · TEST_V1','module:tiny','');
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(2);
CREATE INDEX ix_runs_created ON runs (created);
CREATE INDEX ix_runs_model_title ON runs (model_title);
CREATE INDEX ix_reviews_deleted_at ON reviews (deleted_at);
CREATE INDEX ix_reviews_changed ON reviews (changed);
CREATE INDEX ix_prototypes_class_label ON prototypes (class_label);
CREATE INDEX ix_prototypes_created ON prototypes (created);
CREATE INDEX ix_prototypes_run_id ON prototypes (run_id);
CREATE INDEX ix_prototypes_deleted_at ON prototypes (deleted_at);
CREATE INDEX ix_prototypes_key ON prototypes ("key");
CREATE INDEX ix_prototype_tags_text ON prototype_tags (text);
COMMIT;
