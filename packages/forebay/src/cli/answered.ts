/** A command that did what was asked, and whose answer is not a good one: it ends with an exit code and says nothing more. */
export class Answered extends Error {
  override readonly name = 'Answered'
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`)
    this.exitCode = exitCode
  }
}
