import { Metrics } from '../../src/api/metrics.ts'
import { type GeneratedPage, table } from './generated-page.ts'

export const metrics: GeneratedPage = {
  name: 'METRICS.md',
  render: () => `# Metrics

The agent serves these at \`/metrics\` where \`--metrics HOST:PORT\` says. REASONS.md explains the values of \`reason\`.

${table(
  ['metric', 'type', 'labels', 'meaning'],
  new Metrics()
    .descriptions()
    .map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      help,
    ]),
)}
`,
}
