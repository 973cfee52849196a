/** The first Linux that takes the programs. The preflight and the load decide; this is for what people read. */
export const oldestKernel = '6.1'
