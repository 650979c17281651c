// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.Damage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/**
 * What the disk has lost of the outbox. The log tells of one gap once for each segment that should have held it; here each
 * missing record counts once.
 */
record Losses(List<Damage> gaps) {

    static Losses of(Collection<Damage> damages) {
        List<Damage> gaps = new ArrayList<>();
        long told = -1;
        List<Damage> inOrder = damages.stream()
                .sorted(Comparator.comparingLong(Damage::firstMissing))
                .toList();
        for (Damage damage : inOrder) {
            if (damage.lastMissing() > told) {
                long first = Math.max(damage.firstMissing(), told + 1);
                gaps.add(new Damage(damage.kind(), damage.segment(), damage.offset(), first, damage.lastMissing()));
                told = damage.lastMissing();
            }
        }
        return new Losses(gaps);
    }

    /** Records that are gone. */
    long records() {
        return gaps.stream()
                .mapToLong(gap -> gap.lastMissing() - gap.firstMissing() + 1)
                .sum();
    }

    /** A sentence for each gap. */
    List<String> describe() {
        return gaps.stream().map(Damage::describe).toList();
    }
}
