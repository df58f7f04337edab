import { defineConfig } from 'vitest/config'

/** Tests that run real processes, real sockets or a browser: one file after another. A failure is a failure. */
const WITH_PROCESSES = ['test/{e2e,browser,package,gateway,faults}/**/*.test.ts']
/** Those that hurt real servers and wait for them to recover: each failure is printed, and tried once more. */
const WITH_SERVERS = ['test/faults/**/*.real.test.ts']
/** Tests that measure real time: on a starved machine they fail without a fault of the code. */
const IN_REAL_TIME = ['**/*.real.test.ts']
/** Tools that read the whole tree: lint, types, imports, dead code. */
const OF_THE_TREE = ['test/tidy/**/*.test.ts']
const NEVER = ['**/node_modules/**', '**/dist/**']

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'tidy',
          include: OF_THE_TREE,
          exclude: NEVER,
          testTimeout: 120_000,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.{ts,tsx}', 'test/**/*.test.ts'],
          exclude: [...NEVER, ...OF_THE_TREE, ...WITH_PROCESSES, ...IN_REAL_TIME],
          testTimeout: 15_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'processes',
          include: WITH_PROCESSES,
          exclude: [...NEVER, ...IN_REAL_TIME],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'servers',
          include: WITH_SERVERS,
          exclude: NEVER,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          retry: 1,
          fileParallelism: false,
          sequence: { groupOrder: 5 },
        },
      },
      {
        test: {
          name: 'real',
          include: IN_REAL_TIME,
          exclude: [...NEVER, ...WITH_SERVERS],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A machine that starves a run of its cores for a moment says nothing about the code; three times in a row does.
          retry: 2,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
