/**
 * The schema, as numbered steps that only go forward: what stands here once released is never edited, a change is a
 * new entry. `data` columns hold the contract's object as JSON; the other columns are what is asked by or kept unique.
 * Times are ms since 1970.
 */
export const migrations: readonly string[] = [
  // 1
  `
  CREATE TABLE machines (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;

  CREATE TABLE pins (
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    type TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    key TEXT NOT NULL,
    pinned_at INTEGER NOT NULL,
    PRIMARY KEY (host, port, type)
  ) STRICT;

  CREATE TABLE models (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;

  CREATE TABLE deployments (
    name TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;

  CREATE TABLE threads (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    model TEXT,
    system TEXT NOT NULL,
    leaf_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX threads_by_update ON threads (updated_at DESC);

  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    parent_id TEXT,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    stats TEXT,
    problem TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX messages_by_thread ON messages (thread_id);

  -- Search finds parts of words in every script; a message enters it when it is whole, not at every token.
  CREATE VIRTUAL TABLE message_search USING fts5 (text, content = 'messages', content_rowid = 'seq', tokenize = 'trigram');
  CREATE TRIGGER messages_added AFTER INSERT ON messages WHEN new.state <> 'writing' BEGIN
    INSERT INTO message_search (rowid, text) VALUES (new.seq, new.text);
  END;
  CREATE TRIGGER messages_out BEFORE UPDATE ON messages WHEN old.state <> 'writing' BEGIN
    INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.seq, old.text);
  END;
  CREATE TRIGGER messages_in AFTER UPDATE ON messages WHEN new.state <> 'writing' BEGIN
    INSERT INTO message_search (rowid, text) VALUES (new.seq, new.text);
  END;
  CREATE TRIGGER messages_gone AFTER DELETE ON messages WHEN old.state <> 'writing' BEGIN
    INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.seq, old.text);
  END;
  `,
]
