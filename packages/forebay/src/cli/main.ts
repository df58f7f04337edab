/** Where `bin/forebay.js` enters, after it has made sure of the Node. */

import { run } from './program.ts'

process.exitCode = await run(process.argv.slice(2))
