// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Instant;
import java.util.Optional;

/**
 * What came over the wire for one certificate: a whole HTTP answer, or a line of a batch.
 *
 * @param date of the answer, in whole seconds
 * @param body as received, bounded by the client
 */
record Reply(int status, boolean conflict, Optional<String> retryAfter, Optional<Instant> date, byte[] body) {}
