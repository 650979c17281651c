// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Selects the dead letters that match all of this.
 *
 * @param reason part of the reason, in any case
 * @param since not given up before
 * @param ids {@code pcs_id}s or outbox sequences, any of them; empty for all
 */
public record DeadLetterFilter(Optional<String> reason, Optional<Instant> since, List<String> ids)
        implements Predicate<DeadLetter> {
    /** Keeps a copy. */
    public DeadLetterFilter {
        ids = List.copyOf(ids);
    }

    /** Whether it selects every letter. */
    public boolean isAll() {
        return reason.isEmpty() && since.isEmpty() && ids.isEmpty();
    }

    @Override
    public boolean test(DeadLetter letter) {
        return reason.map(part -> lower(letter.reason()).contains(lower(part))).orElse(true)
                && since.map(from -> !letter.when().isBefore(from)).orElse(true)
                && (ids.isEmpty() || ids.contains(letter.pcsId()) || ids.contains(Long.toString(letter.sequence())));
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }
}
