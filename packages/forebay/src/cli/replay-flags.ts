/** The flags of `forebay replay`, read and checked one by one. */
export interface ReplayFlags {
  readonly target?: URL
  readonly queue?: string
  readonly rate?: number
  readonly speed: number
  readonly timeout: number
  readonly retry?: true
  readonly sink?: number
  readonly arrivals?: URL
  readonly token?: string
  readonly json?: true
}
