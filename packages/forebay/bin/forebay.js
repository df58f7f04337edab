#!/usr/bin/env node
// Plain JavaScript that the oldest Node still in use can read: it says in one sentence that the Node is too old.
const major = Number(process.versions.node.split('.')[0])
if (major < 22) {
  console.error(`NODE_TOO_OLD: forebay needs Node 22 or later and this is ${process.version}.`)
  process.exit(2)
}
await import('../dist/cli/main.js')
