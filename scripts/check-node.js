// Plain JavaScript that the oldest Node still in use can read: it says in one sentence that the Node is too old.
const major = Number(process.versions.node.split('.')[0])
if (major < 22) {
  console.error(
    `Forebay needs Node 22 or later and this is ${process.version}: install a newer Node from https://nodejs.org, ` +
      'or on Linux x64 run npm install without --omit=optional, which brings Node 24 along.',
  )
  process.exit(2)
}
