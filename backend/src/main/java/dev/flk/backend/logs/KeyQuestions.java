// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.logs.Logs.View;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The refused submissions that wait to know whether other backends have other keys. A look at the registry that begins
 * after a question answers it; questions that come together share a look. Safe for any thread, unless said otherwise.
 */
final class KeyQuestions {
    /** The longest time for which a refusal is left open because other backends have other keys. */
    private static final Duration KEYS_ROLL_OUT_IN = Duration.ofMinutes(10);

    /** The least time between two looks at the registry. */
    private static final long LOOK_AT_MOST_EVERY_NANOS = Duration.ofMillis(100).toNanos();

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.logs");

    private final LongSupplier nanoTicker;

    // guarded by this
    private List<Consumer<Boolean>> asking = new ArrayList<>();
    private boolean isLookQueued;
    private long lookedNanos;

    // used by one thread at a time
    private String otherKeys = "";
    private long otherKeysNanos;

    KeyQuestions(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /**
     * Adds a question.
     *
     * @param then called once, on any thread
     * @param look queues a look that begins after some nanoseconds; throws {@link RejectedExecutionException} if this
     *     backend is stopping, and the answer is no
     */
    void ask(Consumer<Boolean> then, LongConsumer look) {
        try {
            synchronized (this) {
                asking.add(then);
                if (!isLookQueued) {
                    long waitNanos = lookedNanos + LOOK_AT_MOST_EVERY_NANOS - nanoTicker.getAsLong();
                    look.accept(Math.max(0, Math.min(waitNanos, LOOK_AT_MOST_EVERY_NANOS)));
                    isLookQueued = true;
                }
            }
        } catch (RejectedExecutionException e) {
            answer(taken(), false);
        }
    }

    /** Removes and returns the questions that the look which begins now answers. */
    synchronized List<Consumer<Boolean>> taken() {
        List<Consumer<Boolean>> taken = asking;
        asking = new ArrayList<>();
        isLookQueued = false;
        lookedNanos = nanoTicker.getAsLong();
        return taken;
    }

    static void answer(List<Consumer<Boolean>> asked, boolean isOpen) {
        for (Consumer<Boolean> then : asked) {
            try {
                then.accept(isOpen);
            } catch (RuntimeException | VirtualMachineError e) { // the others are answered nevertheless
                LOG.error("answering a refused submission failed", e);
            }
        }
    }

    /**
     * Returns whether refusals of signatures are left open: other backends have had other keys than {@code mine} for
     * less than ten minutes, or the registry can't be read for less than ten minutes. Called by one thread at a time.
     */
    boolean areLeftOpen(LogEntry mine, View view, long nowNanos) {
        String others = view.logs().stream()
                .filter(log -> log.isInUse() && !log.entry().keys().equals(mine.keys()))
                .map(log -> log.entry().keys())
                .sorted()
                .distinct()
                .collect(Collectors.joining(" "));
        String differing = others.isEmpty() ? "" : mine.keys() + " " + others;
        boolean isUnknown = view.problem().isPresent();
        if (isUnknown ? otherKeys.isEmpty() : !differing.equals(otherKeys)) {
            otherKeys = isUnknown ? "?" : differing;
            otherKeysNanos = nowNanos;
        }
        return !otherKeys.isEmpty() && nowNanos - otherKeysNanos < KEYS_ROLL_OUT_IN.toNanos();
    }
}
