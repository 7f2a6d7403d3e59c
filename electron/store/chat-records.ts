/** Threads and the trees of messages in them. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { messageStats } from '../contract/chat.ts'
import type { Message, Thread } from '../contract/chat.ts'
import { problem } from '../contract/errors.ts'

export interface ThreadRecords {
  /** last changed first */
  list(): Thread[]
  get(id: string): Thread | null
  put(thread: Thread): void
  /** with its messages */
  delete(id: string): boolean
}

export interface MessageRecords {
  /** in the order they were written */
  of(threadId: string): Message[]
  get(id: string): Message | null
  /** adds, or replaces by id */
  put(message: Message): void
  /** only the text: what a running answer changes several times a second */
  setText(id: string, text: string): void
  /** from the thread's root to this message; empty when it does not exist */
  path(id: string): Message[]
  /** answers that a crash left half written become `stopped`; how many there were */
  endWriting(): number
  /** messages that contain the text, newest first: any part of a word, any script, upper and lower case alike */
  search(text: string, limit: number): Message[]
}

type Row = Record<string, SQLOutputValue>

function threadOf(row: Row): Thread {
  return {
    id: String(row['id']),
    title: String(row['title']),
    model: row['model'] === null ? null : String(row['model']),
    system: String(row['system']),
    leafId: row['leaf_id'] === null ? null : String(row['leaf_id']),
    createdAt: Number(row['created_at']),
    updatedAt: Number(row['updated_at']),
  }
}

function messageOf(row: Row): Message {
  const json = (value: SQLOutputValue | undefined): unknown => (typeof value === 'string' ? JSON.parse(value) : null)
  const stats = messageStats.safeParse(json(row['stats']))
  const failure = problem.safeParse(json(row['problem']))
  return {
    id: String(row['id']),
    threadId: String(row['thread_id']),
    parentId: row['parent_id'] === null ? null : String(row['parent_id']),
    role: row['role'] === 'user' ? 'user' : 'assistant',
    text: String(row['text']),
    state: row['state'] as Message['state'],
    stats: stats.success ? stats.data : null,
    problem: failure.success ? failure.data : null,
    createdAt: Number(row['created_at']),
  }
}

export function threadRecords(db: DatabaseSync): ThreadRecords {
  const list = db.prepare('SELECT * FROM threads ORDER BY updated_at DESC, rowid DESC')
  const get = db.prepare('SELECT * FROM threads WHERE id = ?')
  const put = db.prepare(
    `INSERT INTO threads (id, title, model, system, leaf_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET title = excluded.title, model = excluded.model, system = excluded.system,
       leaf_id = excluded.leaf_id, updated_at = excluded.updated_at`,
  )
  const remove = db.prepare('DELETE FROM threads WHERE id = ?')
  return {
    list: () => list.all().map(threadOf),
    get(id) {
      const row = get.get(id)
      return row ? threadOf(row) : null
    },
    put: (t) => void put.run(t.id, t.title, t.model, t.system, t.leafId, t.createdAt, t.updatedAt),
    delete: (id) => remove.run(id).changes > 0,
  }
}

export function messageRecords(db: DatabaseSync): MessageRecords {
  const of = db.prepare('SELECT * FROM messages WHERE thread_id = ? ORDER BY seq')
  const get = db.prepare('SELECT * FROM messages WHERE id = ?')
  const put = db.prepare(
    `INSERT INTO messages (id, thread_id, parent_id, role, text, state, stats, problem, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET text = excluded.text, state = excluded.state, stats = excluded.stats, problem = excluded.problem`,
  )
  const setText = db.prepare('UPDATE messages SET text = ? WHERE id = ?')
  const path = db.prepare(
    `WITH RECURSIVE up (id, depth) AS (
       SELECT id, 0 FROM messages WHERE id = ?
       UNION ALL
       SELECT m.parent_id, up.depth + 1 FROM messages m JOIN up ON m.id = up.id WHERE m.parent_id IS NOT NULL
     )
     SELECT m.* FROM up JOIN messages m ON m.id = up.id ORDER BY up.depth DESC`,
  )
  const endWriting = db.prepare("UPDATE messages SET state = 'stopped' WHERE state = 'writing'")
  const byTrigram = db.prepare(
    `SELECT m.* FROM message_search s JOIN messages m ON m.seq = s.rowid WHERE message_search MATCH ? ORDER BY m.seq DESC LIMIT ?`,
  )
  const byLike = db.prepare(
    `SELECT * FROM messages WHERE text LIKE ? ESCAPE '\\' AND state <> 'writing' ORDER BY seq DESC LIMIT ?`,
  )
  const optional = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))
  return {
    of: (threadId) => of.all(threadId).map(messageOf),
    get(id) {
      const row = get.get(id)
      return row ? messageOf(row) : null
    },
    put: (m) =>
      void put.run(
        m.id,
        m.threadId,
        m.parentId,
        m.role,
        m.text,
        m.state,
        optional(m.stats),
        optional(m.problem),
        m.createdAt,
      ),
    setText: (id, text) => void setText.run(text, id),
    path: (id) => path.all(id).map(messageOf),
    endWriting: () => Number(endWriting.run().changes),
    search(text, limit) {
      // trigrams need three characters; two are a word in Chinese
      if ([...text].length >= 3) return byTrigram.all(`"${text.replaceAll('"', '""')}"`, limit).map(messageOf)
      return byLike.all(`%${text.replace(/[\\%_]/g, '\\$&')}%`, limit).map(messageOf)
    },
  }
}
