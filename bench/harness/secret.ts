/** The secret of every contestant, in every process of a benchmark. */
export const SECRET = 'a secret of a benchmark, and of nothing else';
