/** What tells a server under the soak to end one of its threads (thread-killer.ts). */
export const KILL_SIGNAL = 'SIGUSR2'
