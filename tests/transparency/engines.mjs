// The engines that the suite knows, in the order in which they run.
export const engineNames = ['chromium', 'firefox', 'webkit'];
