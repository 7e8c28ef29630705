BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE assistants (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_assistants PRIMARY KEY (id), 
	CONSTRAINT uq_assistants_seq UNIQUE (seq)
);
CREATE TABLE cells (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	thread_id VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_cells PRIMARY KEY (id), 
	CONSTRAINT fk_cells_thread_id FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE, 
	CONSTRAINT fk_cells_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_cells_seq UNIQUE (seq)
);
CREATE TABLE counter (
	name VARCHAR NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_counter PRIMARY KEY (name)
);
INSERT INTO "counter" VALUES('seq',3);
CREATE TABLE files (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	purpose VARCHAR NOT NULL, 
	blob VARCHAR NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (id), 
	CONSTRAINT uq_files_seq UNIQUE (seq)
);
INSERT INTO "files" VALUES('file-1','local',3,1,'assistants','0000000000000000000000000000000000000000000000000000000000000000','{}','{"id": "file-1", "created_at": 1, "object": "file", "bytes": 1, "filename": "\u05e0\u05ea\u05d5\u05e0\u05d9\u05dd.csv", "purpose": "assistants", "status": "processed", "status_details": null, "expires_at": null, "blob": "0000000000000000000000000000000000000000000000000000000000000000"}');
CREATE TABLE messages (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	thread_id VARCHAR NOT NULL, 
	run_id VARCHAR, 
	status VARCHAR NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_messages PRIMARY KEY (id), 
	CONSTRAINT fk_messages_thread_id FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE, 
	CONSTRAINT uq_messages_seq UNIQUE (seq)
);
INSERT INTO "messages" VALUES('msg_1','local',2,1,'thread_1',NULL,'completed','{"kept": "yes"}','{"id": "msg_1", "created_at": 1, "object": "thread.message", "thread_id": "thread_1", "status": "completed", "incomplete_details": null, "completed_at": null, "incomplete_at": null, "role": "user", "content": [], "assistant_id": null, "run_id": null, "attachments": []}');
CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	thread_id VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	lease_owner VARCHAR, 
	lease_epoch INTEGER DEFAULT '0' NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_thread_id FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE, 
	CONSTRAINT uq_runs_seq UNIQUE (seq)
);
CREATE TABLE steps (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	thread_id VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_steps PRIMARY KEY (id), 
	CONSTRAINT fk_steps_thread_id FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE, 
	CONSTRAINT fk_steps_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_steps_seq UNIQUE (seq)
);
CREATE TABLE threads (
	id VARCHAR NOT NULL, 
	owner VARCHAR DEFAULT 'local' NOT NULL, 
	seq BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	metadata JSON NOT NULL, 
	doc JSON NOT NULL, 
	CONSTRAINT pk_threads PRIMARY KEY (id), 
	CONSTRAINT uq_threads_seq UNIQUE (seq)
);
INSERT INTO "threads" VALUES('thread_1','local',1,1,'{}','{"id": "thread_1", "created_at": 1, "object": "thread", "tool_resources": {}}');
CREATE INDEX ix_files_purpose_seq ON files (purpose, seq);
CREATE INDEX ix_files_blob ON files (blob);
CREATE INDEX ix_messages_thread_id_seq ON messages (thread_id, seq);
CREATE INDEX ix_runs_thread_id_seq ON runs (thread_id, seq);
CREATE INDEX ix_steps_thread_id_seq ON steps (thread_id, seq);
CREATE INDEX ix_cells_thread_id_seq ON cells (thread_id, seq);
CREATE INDEX ix_messages_run_id_seq ON messages (run_id, seq);
CREATE INDEX ix_steps_run_id_seq ON steps (run_id, seq);
CREATE INDEX ix_cells_run_id_seq ON cells (run_id, seq);
CREATE UNIQUE INDEX uq_runs_active ON runs (thread_id) WHERE status IN ('cancelling', 'in_progress', 'queued', 'requires_action');
COMMIT;
