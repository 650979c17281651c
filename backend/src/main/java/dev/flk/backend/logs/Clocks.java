// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.Logs.RegisteredLog;
import dev.flk.backend.logs.Logs.Status;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.time.HeardTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * Compares the clock of this backend with those of the other backends of its store and of the agents that report to it.
 * The median of all is taken for the time; a clock that is a minute or more from it is off. Known to about half a minute.
 * Decides nothing. Safe for any thread.
 */
public final class Clocks {
    /** The difference from which on a clock is off, which is more than the error of the comparison. */
    static final Duration OFF = Duration.ofMinutes(1);

    /** The time for which a signed time of an agent is used. */
    static final Duration HEARD_FOR = Duration.ofMinutes(5);

    private static final String OWN = "";
    private static final int MOST_NAMED = 3;

    private final Logs logs;
    private final Supplier<Map<String, HeardTime>> agents;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;

    /** @param agents the newest time that each agent has signed */
    public Clocks(Logs logs, Supplier<Map<String, HeardTime>> agents, InstantSource clock, LongSupplier nanoTicker) {
        this.logs = logs;
        this.agents = agents;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
    }

    /** Returns the time by which the clock of this backend is ahead of the median, in seconds; NaN without others. */
    public double aheadSeconds() {
        Map<String, Long> offsets = offsets();
        return offsets.size() < 2 ? Double.NaN : -median(offsets) / 1_000.0;
    }

    /** Returns which clocks are off, as a part of a sentence; empty if none is. */
    public Optional<String> problem() {
        Map<String, Long> offsets = offsets();
        long median = median(offsets);
        List<Map.Entry<String, Long>> off = offsets.entrySet().stream()
                .filter(each -> Math.abs(each.getValue() - median) * (offsets.size() == 2 ? 2 : 1) >= OFF.toMillis())
                .sorted(Comparator.comparing(each -> !each.getKey().equals(OWN)))
                .toList();
        if (off.isEmpty()) {
            return Optional.empty();
        }
        if (offsets.size() == 2) {
            Map.Entry<String, Long> other = off.get(1);
            return Optional.of("the clock of this machine is " + difference(-other.getValue()) + " that of "
                    + other.getKey() + ", and no third one says which is right");
        }
        String named = String.join(
                ", ",
                off.stream()
                        .limit(MOST_NAMED)
                        .map(each -> "the clock of "
                                + (each.getKey().equals(OWN) ? "this machine" : each.getKey()) + " is "
                                + difference(each.getValue() - median) + " the median of " + offsets.size())
                        .toList());
        return Optional.of(
                named + (off.size() > MOST_NAMED ? ", and " + (off.size() - MOST_NAMED) + " more are off" : ""));
    }

    private static String difference(long aheadMillis) {
        return ErrorMessages.duration(Duration.ofMillis(Math.abs(aheadMillis)))
                + (aheadMillis > 0 ? " ahead of" : " behind");
    }

    /** Returns the milliseconds by which each clock is ahead of that of this backend. */
    private Map<String, Long> offsets() {
        Instant now = clock.instant();
        long nanos = nanoTicker.getAsLong();
        String own = logs.own().logId();
        Map<String, Long> offsets = new TreeMap<>(Map.of(OWN, 0L));
        for (RegisteredLog log : logs.view().logs()) {
            if (log.status() == Status.UP && !log.entry().logId().equals(own)) {
                offsets.put(
                        "backend " + log.entry().name(),
                        log.entry().seenMillis() - now.minus(log.unchanged()).toEpochMilli());
            }
        }
        agents.get().forEach((id, heard) -> {
            Duration age = Duration.ofNanos(nanos - heard.heardNanos());
            if (age.compareTo(HEARD_FOR) < 0) {
                offsets.put(
                        "agent " + id,
                        Duration.between(now.minus(age), heard.said()).toMillis());
            }
        });
        return offsets;
    }

    private static long median(Map<String, Long> offsets) {
        long[] sorted =
                offsets.values().stream().mapToLong(Long::longValue).sorted().toArray();
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
