// The lines of `GET /api/v1/tasks/{id}?format=outline`, as docs/api.md has them. What is empty is left out.

/**
 * @typedef {object} Head the first line
 * @property {string} trace_id
 * @property {string} id
 * @property {number} begin_ns 0: unknown
 * @property {number} [end] the number in the store that the next record gets
 * @property {string} [left_out] what is not shown to who asks
 *
 * @typedef {object} TaskLine
 * @property {number} depth
 * @property {string} span_id
 * @property {string} [path]
 * @property {string} [name]
 * @property {string} [service]
 * @property {string} [kind]
 * @property {string} [outcome]
 * @property {number} [at_ns]
 * @property {number} [duration_ns]
 * @property {number} [records] all below it
 * @property {number} [tasks] all below it
 * @property {string} [fields]
 * @property {string} [error]
 * @property {number} [severity] the worst below it
 * @property {number} [cut] so many tasks below it are too deep
 * @property {boolean} [continued] it was begun in the part before
 *
 * @typedef {object} RecordLine
 * @property {number} depth
 * @property {string} record its message
 * @property {number} [severity]
 * @property {number} [at_ns]
 * @property {string} [fields]
 * @property {string} [error]
 * @property {number} [number]
 * @property {string} [service] where it is not that of its task
 * @property {string} [thread]
 * @property {boolean} [cut] it has more to say
 *
 * @typedef {{ next: string | null }} LastLine
 *
 * @typedef {Head | TaskLine | RecordLine | LastLine} Line
 */
export {};
