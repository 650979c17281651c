// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.certificate.PcsId;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Set;

/**
 * An end at which a log was restored. The lost machine may have answered more than was archived: certificates that
 * arrived about when the last archived one did or later, and before the restored log was opened.
 *
 * @param last the last archived sequence
 * @param known how many later sequences the lost machine is known to have used, at least
 * @param from the arrival from which on certificates may be missing
 * @param until when the restored log was opened
 * @param logged certificates that may have arrived then, and that the log has
 * @param life for how long an outcome of that time is valid, from the arrival of its certificate
 */
public record RestoredEnd(long last, long known, Instant from, Instant until, Set<PcsId> logged, Duration life) {
    /** The order of sequences and of arrivals may differ by this much. */
    static final long OUT_OF_ORDER_MILLIS = 1_000;

    /** Copies the set. */
    public RestoredEnd {
        logged = Set.copyOf(logged);
    }

    /** Returns whether the log may lack the certificate of an outcome that the log decided. */
    public boolean mayLack(PcsId id, long expiresAtMillis) {
        long arrivalMillis = expiresAtMillis - life.toMillis();
        return arrivalMillis >= from.toEpochMilli() && arrivalMillis < until.toEpochMilli() && !logged.contains(id);
    }

    /** Describes what may be missing, and says what to do about it. */
    public String notice() {
        String missing = switch ((int) Math.min(known, 2)) {
            case 0 -> "later records, if there were any, were";
            case 1 -> "at least 1 later record was";
            default -> "at least " + known + " later records were";
        };
        Instant since = from.truncatedTo(ChronoUnit.SECONDS);
        Instant end = until.truncatedTo(ChronoUnit.SECONDS).plusSeconds(1);
        return "the log was restored up to record " + last + "; " + missing
                + " not archived. Certificates that arrived from " + since + " to " + end
                + " may lack bodies and outcomes: let each agent send them again, with"
                + " 'flk-agent outbox resend --since " + since + " --until " + end + "'";
    }
}
