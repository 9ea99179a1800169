/** How every server is started: with the small young generation that deploy/ gives to an operator's process. */
export const execArgv = ['--expose-gc', '--max-semi-space-size=4'];
