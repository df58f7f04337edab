/** The configuration's YAML text: its value, where in it each field stands, and the words in which a fault is told. */

import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit, type YAMLParseError } from 'yaml'
import type { z } from 'zod'
import { ForebayError, messageOf } from '../errors.ts'
import { knownFields } from './config-schema.ts'
import { didYouMean } from './did-you-mean.ts'
import { mappingForText, needsQuotes, scalarForText } from './needs-quotes.ts'

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly code?: string | undefined
  /** Of unknown fields. */
  readonly keys?: readonly string[]
  /** Of a name that is not allowed: why. */
  readonly issues?: readonly Fault[]
}

interface Told {
  /** File and line, variable or flag. */
  readonly place: string
  readonly line: number
  readonly field: string
  readonly words: string
}

/** How many faults one error tells. */
const MOST_FAULTS = 5

export class ConfigText {
  readonly value: Readonly<Record<string, unknown>>
  /** Fields that the environment or a flag has set, and which one. */
  readonly overridden = new Map<string, string>()
  readonly #path: string
  readonly #lines = new LineCounter()
  readonly #document

  constructor(path: string, text: string) {
    this.#path = path
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    const [error] = this.#document.errors
    if (error) throw this.#unreadable(text, error)
    const value: unknown = this.#toValue()
    if (value !== null && !isMap(this.#document.contents)) {
      throw this.#invalid([`${path}:1: the configuration is a mapping of fields, such as "queues:".`])
    }
    this.value = (value ?? {}) as Record<string, unknown>
  }

  /** What is wrong, with the place of each fault. */
  fault(issues: readonly (Fault | z.core.$ZodIssue)[]): ForebayError {
    const told = (issues as readonly Fault[]).flatMap((issue) => this.#tell(issue))
    told.sort((a, b) => a.line - b.line)
    return this.#invalid(
      told.map(({ place, field, words }) => `${place}: ${field}: ${sentence(words)}`),
      told[0]?.field,
    )
  }

  #unreadable(text: string, { pos, message }: YAMLParseError): ForebayError {
    const { line } = this.#lines.linePos(pos[0])
    const quotes = needsQuotes(text.split('\n')[line - 1] ?? '')
    if (!quotes) return this.#invalid([`${this.#at(pos[0])}: ${sentence(message)}`])
    return this.fault([{ path: this.#pathOf(quotes.field, line), message: quotes.words }])
  }

  /** Of the field of that name in that line. */
  #pathOf(field: string, line: number): PropertyKey[] {
    let path: PropertyKey[] = [field]
    visit(this.#document, {
      Pair: (_, pair, above) => {
        const { key } = pair
        if (!isScalar(key) || key.value !== field || this.#lines.linePos(key.range?.[0] ?? 0).line !== line) return
        const nodes = [...above, pair]
        path = nodes.flatMap((node, index): PropertyKey[] => {
          if (isPair(node)) return [String(node.key)]
          return isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : []
        })
        return visit.BREAK
      },
    })
    return path
  }

  #tell(fault: Fault): Told[] {
    const { code, keys = [], path } = fault
    if (code !== 'unrecognized_keys') {
      const words = this.#misread(fault) ?? wordsOf(fault)
      return [{ ...this.#place(path, code === 'invalid_key'), field: fieldOf(path), words }]
    }
    return keys.map((key) => {
      const known = knownFields(path)
      const meant = didYouMean(key, known)
      const hint = meant ? `Did you mean "${meant}"?` : `Known are ${known.join(', ')}.`
      const field = [...path, key]
      return { ...this.#place(field, true), field: fieldOf(field), words: `there is no such field. ${hint}` }
    })
  }

  /** Text that YAML took for something else. */
  #misread({ path, message }: Fault): string | undefined {
    if (this.overridden.has(String(path[0]))) return undefined
    const [, received] = /expected string, received (object|number|boolean)$/.exec(message) ?? []
    const node = received && this.#document.getIn(path, true)
    if (isMap(node)) return mappingForText(node.toJS(this.#document))
    return received && isScalar(node) && node.source ? scalarForText(node.source, received) : undefined
  }

  /** The line of the field, or of the nearest field above it that is there; or the variable or flag that set it. */
  #place(path: readonly PropertyKey[], ofKey = false): Pick<Told, 'place' | 'line'> {
    const override = this.overridden.get(String(path[0]))
    if (override) return { place: override, line: 0 }
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsetOf(path.slice(0, length), ofKey || length < path.length)
      if (offset !== undefined) return { place: this.#at(offset), line: this.#lines.linePos(offset).line }
    }
    return { place: this.#path, line: 0 }
  }

  #offsetOf(path: readonly PropertyKey[], ofKey: boolean): number | undefined {
    const parent: unknown = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true)
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => String(key) === String(path.at(-1)))
      const node = (ofKey ? pair?.key : (pair?.value ?? pair?.key)) as { range?: readonly number[] | null } | undefined
      return node?.range?.[0]
    }
    const node = this.#document.getIn(path, true) as { range?: readonly number[] | null } | undefined
    return node?.range?.[0]
  }

  #at(offset: number): string {
    return `${this.#path}:${this.#lines.linePos(offset).line}`
  }

  #toValue(): unknown {
    try {
      return this.#document.toJS()
    } catch (thrown) {
      throw this.#invalid([`${this.#path}: ${sentence(messageOf(thrown))}`])
    }
  }

  #invalid(told: readonly string[], field?: string): ForebayError {
    const more = told.length > MOST_FAULTS ? [`... and ${told.length - MOST_FAULTS} more.`] : []
    const message = [...told.slice(0, MOST_FAULTS), ...more].join('\n')
    return new ForebayError('INVALID_CONFIG', message, field === undefined ? {} : { path: field })
  }
}

function wordsOf({ code, message, issues }: Fault): string {
  if (code === 'invalid_key') return issues?.[0]?.message ?? 'is no name that is allowed here'
  if (/received undefined$/.test(message)) return 'is missing'
  return message.replace(/^(Invalid (input|option)|Too (small|big)): /, '')
}

function fieldOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'the configuration' : path.map(String).join('.')
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}
