import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { Metrics } from '../../../src/api/metrics.ts'
import type { Measurement } from '../../../src/datapath/datapath.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { parseMetrics } from '../../helpers/metrics.ts'
import { sampleMeasurement, sampleStatus } from '../../helpers/sample-status.ts'

const chart = join(packageRoot, 'deploy/helm/meshaccel')

interface Dashboard {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number }
    readonly targets: readonly { readonly expr: string }[]
  }[]
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string
      readonly expr: string
      readonly labels: { readonly severity: string }
      readonly annotations: { readonly summary: string; readonly description: string }
    }[]
  }[]
}

const dashboard: Dashboard = JSON.parse(readFileSync(join(chart, 'dashboard.json'), 'utf8'))
const alerts: Rules = parse(readFileSync(join(chart, 'alerts.yaml'), 'utf8'))
const rules = alerts.groups.flatMap((group) => group.rules)

/** Every name and label that an agent may tell. */
async function told(): Promise<Map<string, Set<string>>> {
  const metrics = new Metrics()
  const measurements: Measurement[] = [sampleMeasurement('shop', 'shop')]
  const { body } = await metrics.page({ status: async () => sampleStatus }, () => measurements)()
  const names = new Map<string, Set<string>>()
  for (const { name, labels } of parseMetrics(body)) {
    const known = names.get(name) ?? new Set(['instance', 'le'])
    names.set(name, new Set([...known, ...Object.keys(labels)]))
  }
  return names
}

void test('the dashboard and the alerts name metrics and labels that there are', async (t) => {
  const names = await told()
  const expressions = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...rules.map(({ expr }) => expr),
  ]
  t.ok(expressions.length > 15)
  for (const expression of expressions) {
    const used = expression.match(/meshaccel_\w+/g) ?? []
    t.ok(used.length > 0, expression)
    for (const name of used) t.ok(names.has(name), name)
    const labels = [
      ...[...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
        list.split(/,\s*/),
      ),
      ...[...expression.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    ]
    for (const label of labels) {
      t.ok(
        used.some((name) => names.get(name)?.has(label)),
        `${label} of ${used.join()}`,
      )
    }
  }
})

void test('each panel has its own place, each alert a severity and what to do', async (t) => {
  const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)
  t.equal(new Set(places).size, places.length)
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, places.length)
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    t.match(alert, /^Meshaccel\w+$/)
    t.match(labels.severity, /^(?:info|warning)$/)
    t.match(annotations.summary, /\.$/)
    t.match(annotations.description, /\.$/)
  }
})
