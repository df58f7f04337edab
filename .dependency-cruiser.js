/**
 * The import matrix: who may import whom in packages/forebay/src. CONTRIBUTING.md shows it as a table.
 *
 * Every folder has a level and imports only what lies below it (or itself); what may be imported beside that is named
 * in `MAY_IMPORT`. Tests are free: they may reach for whatever they prove.
 */

const BASE = ['task', 'errors', 'clock', 'random', 'events', 'group-commit', 'group-relay', 'under-way']
const PORT = ['backends/queue-service', 'backends/shared-state', 'backends/open-backend']

/** What each folder may import besides its own files, `errors` and the base. */
const MAY_IMPORT = {
  queue: [...PORT, 'flow/'],
  consumer: [...PORT, 'flow/', 'queue/'],
  telemetry: [...PORT, 'flow/', 'queue/', 'consumer/'],
  scaling: [...PORT, 'flow/', 'queue/', 'consumer/', 'telemetry/'],
  conformance: [...PORT, 'flow/'],
  migration: [...PORT, 'flow/'],
  planner: [...PORT, 'flow/', 'queue/', 'consumer/', 'telemetry/'],
  gateway: [...PORT, 'flow/', 'queue/', 'consumer/', 'telemetry/', 'scaling/'],
  replay: [...PORT, 'flow/', 'queue/', 'consumer/', 'telemetry/', 'planner/', 'gateway/'],
  doctor: [...PORT, 'flow/', 'queue/', 'consumer/'],
  cli: [
    ...PORT,
    'backends/remove-queues',
    'flow/',
    'queue/',
    'consumer/',
    'telemetry/',
    'scaling/',
    'migration/',
    'conformance/',
    'planner/',
    'gateway/',
    'replay/',
    'doctor/',
  ],
}

const SRC = '^packages/forebay/src/'
const TEST = '(\\.test\\.ts$|/conformance/)'
const either = (names) => `(${names.map((name) => (name.endsWith('/') ? name : `${name}\\.ts$`)).join('|')})`

const folderRules = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  comment: `${folder}/ may import itself, the base and: ${allowed.join(', ')}.`,
  severity: 'error',
  from: { path: `${SRC}${folder}/`, pathNot: TEST },
  to: { path: SRC, pathNot: `${SRC}${either([`${folder}/`, ...BASE, ...allowed])}` },
}))

export default {
  forbidden: [
    {
      name: 'base-imports',
      comment: 'The nouns and the tools of time, chance and events import only each other.',
      severity: 'error',
      from: { path: `${SRC}${either(BASE)}` },
      to: { path: SRC, pathNot: `${SRC}${either(BASE)}` },
    },
    {
      name: 'flow-is-pure',
      comment: 'flow/ is numbers in, numbers out: it imports errors and nothing else, no package and no part of Node.',
      severity: 'error',
      from: { path: `${SRC}flow/`, pathNot: TEST },
      to: { pathNot: `${SRC}(flow/|errors\\.ts$)` },
    },
    ...folderRules,
    {
      name: 'backend-imports',
      comment:
        'A backend imports the port, the base and the pure algorithms; never queue, consumer or what stands above.',
      severity: 'error',
      from: { path: `${SRC}backends/[^/]+/`, pathNot: TEST },
      to: { path: SRC, pathNot: `${SRC}${either(['backends/', 'flow/', ...BASE])}` },
    },
    {
      name: 'backends-apart',
      comment: 'A backend never imports another backend, nor the registry.',
      severity: 'error',
      from: { path: `${SRC}backends/([^/]+)/`, pathNot: TEST },
      to: { path: [`${SRC}backends/[^/]+/`, `${SRC}backends/open-backend\\.ts$`], pathNot: `${SRC}backends/$1/` },
    },
    {
      name: 'backend-only-by-registry',
      comment:
        'A concrete backend is imported by the registry and by its own subpath export (src/NAME.ts), nobody else.',
      severity: 'error',
      from: { path: SRC, pathNot: `${TEST}|${SRC}(backends/|[^/]+\\.ts$)` },
      to: { path: `${SRC}backends/[^/]+/` },
    },
    {
      name: 'index-is-for-users',
      comment: 'src/index.ts is what users import; inside the house, import the file itself.',
      severity: 'error',
      from: { path: SRC, pathNot: TEST },
      to: { path: `${SRC}index\\.ts$` },
    },
    {
      name: 'no-circle',
      comment:
        'Files that import each other in a circle are one file in disguise; naming a type of each other is no circle.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-test-from-product',
      comment: 'The product does not import its tests.',
      severity: 'error',
      from: { path: SRC, pathNot: TEST },
      to: { path: ['\\.test\\.ts$', '^(test|examples|demo|scripts)/'] },
    },
    {
      name: 'declared-packages-only',
      comment: 'The product imports only packages that packages/forebay/package.json declares for its users.',
      severity: 'error',
      from: { path: SRC, pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'resolvable',
      comment: 'What is imported exists.',
      severity: 'error',
      from: { path: SRC },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'packages/forebay/tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
}
