import path from 'node:path'
import { defineConfig } from 'vitest/config'

const root = path.resolve(import.meta.dirname, '..')
const system = ['test/lan/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/browser/**/*.test.ts', 'test/dist/**/*.test.ts']
const never = ['node_modules/**', 'dist/**']

export default defineConfig({
  root,
  cacheDir: path.join(root, 'dist', 'cache', 'vitest'),
  test: {
    reporters: ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{electron,native,renderer,build,test}/**/*.test.{ts,tsx}'],
          exclude: [...never, ...system],
          testTimeout: 20_000,
          hookTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          // Whole machines, browsers and the app: one file at a time, each with the computer to itself.
          name: 'system',
          include: system,
          exclude: never,
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { concurrent: false },
        },
      },
    ],
  },
})
