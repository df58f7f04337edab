/** `forebay/testing`: what your own tests import. */

export type { LevelingBounds, LevelingFigures, LevelingScene } from './replay/expect-leveled.ts'
export { expectLeveled } from './replay/expect-leveled.ts'
