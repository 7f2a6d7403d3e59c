/** The built window's files, found by the path of a URL: for `app://ui/` and for the headless server. */
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.ico': 'image/x-icon',
  '.wasm': 'application/wasm',
}

export interface UiFile {
  /** real path, below the real path of the folder */
  path: string
  /** Content-Type */
  type: string
  /** named by its content, so it may be kept for ever */
  isImmutable: boolean
}

/**
 * The file of `folder` for the path of a URL ('/' is index.html). Undefined when there is none, when it is not a regular
 * file, or when the path, or a symbolic link on it, leads outside the folder.
 */
export async function findUiFile(folder: string, urlPath: string): Promise<UiFile | undefined> {
  try {
    const base = await realpath(folder)
    const file = await realpath(path.join(base, decodeURIComponent(urlPath === '/' ? '/index.html' : urlPath)))
    if (!file.startsWith(base + path.sep) || !(await stat(file)).isFile()) return undefined
    return {
      path: file,
      type: types[path.extname(file)] ?? 'application/octet-stream',
      isImmutable: /-[\w-]{8,}\.\w+$/.test(path.basename(file)),
    }
  } catch {
    // No such file, or a path no file system takes (a NUL, a bad escape): there is nothing to serve either way.
    return undefined
  }
}
