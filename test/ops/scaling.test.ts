/** The examples of ops/ that scale workers: each parses, and names only what there is: paths, fields, metrics, flags, each other. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { buildProgram } from '../../packages/forebay/src/cli/program.ts'
import { durationOf } from '../../packages/forebay/src/cli/work.ts'
import { ENDPOINTS } from '../../packages/forebay/src/gateway/routes/endpoints.ts'
import { scale, scalingMetrics } from '../../packages/forebay/src/gateway/routes/scale.ts'
import { METRICS } from '../../packages/forebay/src/telemetry/metrics.ts'
import { prometheusName } from '../../packages/forebay/src/telemetry/prometheus-names.ts'
import { ROOT } from '../run-tool.ts'

type Node = { readonly [field: string]: Node } & readonly Node[] & string

const FOLDERS = ['keda', 'kubernetes', 'aws', 'gcp', 'azure']
const files = FOLDERS.flatMap((folder) => readdirSync(join(ROOT, 'ops', folder)).map((name) => `${folder}/${name}`))

function documentsOf(file: string): Node[] {
  const parsed = parseAllDocuments(readFileSync(join(ROOT, 'ops', file), 'utf8'))
  for (const { errors, warnings } of parsed) expect([...errors, ...warnings]).toEqual([])
  return parsed.map((document) => document.toJS() as Node)
}

/** Every value under a field of this name, wherever it is. */
function everywhere(node: unknown, field: string): unknown[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([name, value]) => [
    ...(name === field ? [value] : []),
    ...everywhere(value, field),
  ])
}

const textOf = (file: string) => readFileSync(join(ROOT, 'ops', file), 'utf8')
const kinds = (file: string, kind: string) => documentsOf(file).filter((document) => document.kind === kind)

it('there are some for each platform', () => {
  expect(files.length).toBeGreaterThanOrEqual(8)
})

describe.each(files)('%s', (file) => {
  it('parses', () => {
    const documents = file.endsWith('.json') ? [JSON.parse(textOf(file)) as unknown] : documentsOf(file)
    for (const document of documents) expect(document).toBeTypeOf('object')
  })

  it('asks for paths that the gateway answers', () => {
    const known = ENDPOINTS.map(({ path }) => new RegExp(`^${path.replaceAll(/:\w+/g, '[\\w-]+')}$`))
    const asked = [...textOf(file).matchAll(/forebay-gateway(?::8080)?(\/[\w/-]+)|(?:metrics_path|path): (\/[\w/-]+)/g)]
    for (const [, url, path] of asked)
      expect(
        known.some((one) => one.test((url ?? path) as string)),
        url ?? path,
      ).toBe(true)
  })

  it('names metrics that there are', () => {
    const shown = [METRICS.desiredWorkers, METRICS.usefulWorkers, METRICS.lateShare].map(prometheusName)
    for (const [metric] of textOf(file).matchAll(/forebay_\w+/g)) expect(shown).toContain(metric)
  })

  it('runs workers by commands that parse, with a grace that the platform leaves them', () => {
    const containers = documentsOf(file)
      .flatMap((document) => everywhere(document, 'containers') as Node[])
      .flat()
    for (const { args } of containers as unknown as { args: string[] }[]) {
      const work = buildProgram().commands.find((command) => command.name() === args[0])
      const { operands, unknown } = work?.parseOptions(args.slice(1)) ?? { operands: [], unknown: ['no such command'] }
      expect([operands.length, unknown]).toEqual([2, []])
      const [seconds] = documentsOf(file).flatMap((document) => everywhere(document, 'terminationGracePeriodSeconds'))
      expect(Number(seconds) * 1_000).toBeGreaterThan(durationOf(args[args.indexOf('--grace') + 1] as string))
    }
  })
})

describe('what belongs together has one name', () => {
  it('KEDA scales a deployment of its file, asks the scaler with the queue, and adds no delay of its own', () => {
    const [deployment] = kinds('keda/scaled-object.yaml', 'Deployment')
    const [object] = kinds('keda/scaled-object.yaml', 'ScaledObject')
    expect(object?.spec?.scaleTargetRef?.name).toBe(deployment?.metadata?.name)
    expect(object?.spec?.triggers).toEqual([
      { type: 'external-push', metadata: { scalerAddress: 'forebay-gateway:6000', queue: 'orders' } },
    ])
    expect(everywhere(object, 'stabilizationWindowSeconds')).toEqual([0, 0])
  })

  it.each(['keda/scaled-object-json.yaml', 'azure/container-app.yaml'])('%s reads a field of the JSON', (file) => {
    const { properties } = (scale.answers[200]?.schema ?? {}) as { properties: object }
    for (const location of everywhere(documentsOf(file), 'valueLocation'))
      expect(Object.keys(properties)).toContain(location)
    expect(everywhere(documentsOf(file), 'targetValue')).toEqual(['1'])
  })

  it('the HPA asks for the metric that the adapter offers', () => {
    const [rule] = everywhere(documentsOf('kubernetes/prometheus-adapter.yaml'), 'external') as [
      [{ name: { as: string } }],
    ]
    const [metric] = everywhere(documentsOf('kubernetes/hpa.yaml'), 'metric') as [{ name: string }]
    expect(metric.name).toBe(rule[0].name.as)
  })

  it('AWS tracks wanted workers over running ones, of one queue and service', () => {
    const { TargetTrackingScalingPolicyConfiguration: policy, ResourceId } = JSON.parse(
      textOf('aws/target-tracking.json'),
    )
    const { Metrics } = policy.CustomizedMetricSpecification
    const ids = Metrics.map(({ Id }: { Id: string }) => Id)
    const returned = Metrics.filter(({ ReturnData }: { ReturnData: boolean }) => ReturnData)
    expect([policy.TargetValue, returned.length, ids]).toEqual([1, 1, ['desired', 'running', 'ratio']])
    expect(returned[0].Expression).toBe('desired / running')
    const dimensions = Object.fromEntries(
      everywhere(Metrics, 'Dimensions').flatMap((list) =>
        (list as { Name: string; Value: string }[]).map(({ Name, Value }) => [Name, Value]),
      ),
    )
    expect(ResourceId).toBe(`service/${dimensions.ClusterName}/${dimensions.ServiceName}`)
  })

  it('who scrapes does so where the metrics are', () => {
    expect(everywhere(documentsOf('gcp/hpa-managed-prometheus.yaml'), 'path')).toEqual([scalingMetrics.path])
    expect(everywhere(documentsOf('aws/cloudwatch-agent-prometheus.yaml'), 'metrics_path')).toEqual([
      scalingMetrics.path,
    ])
  })
})
