// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.ReviewWriter.ReviewUnavailableException;
import dev.flk.backend.outcomes.review.Reviews.Subject.Group;
import dev.flk.program.time.DaemonThreads;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reviews of groups that take several steps. One thread takes a group after the other; between two steps, other
 * reviews are recorded. Nothing is stored: after a restart, what was reviewed is reviewed, and the rest waits. Safe for
 * any thread.
 */
public final class LargeGroups implements AutoCloseable {
    static final int MOST_WAITING = 7;
    private static final int MOST_REMEMBERED = 16;
    private static final Logger LOG = LoggerFactory.getLogger(LargeGroups.class);

    private final ThreadPoolExecutor thread = DaemonThreads.pool("review-groups", 1, MOST_WAITING);
    private final String prefix;

    /** The reviews by id, the oldest first; guarded by this. */
    private final Map<String, Run> runs = new LinkedHashMap<>();

    private int begun;

    /** The states of the review of a large group. */
    public enum State {
        WAITING,
        RUNNING,
        DONE,
        STOPPED,
        FAILED;

        public String text() {
            return name().toLowerCase(Locale.ROOT);
        }

        public boolean isOver() {
            return this != WAITING && this != RUNNING;
        }
    }

    private static final class Run {
        private volatile Progress progress;
        private volatile boolean isToStop;

        Run(Progress progress) {
            this.progress = progress;
        }
    }

    /**
     * The progress of the review of a large group.
     *
     * @param total the number of certificates that waited when it began; null if it is not known
     * @param reviewed the number of certificates that the review was recorded for
     * @param leftOut the number of certificates whose newest review is another one
     * @param problem why it has failed; null if it has not
     */
    public record Progress(
            String id,
            State state,
            Group group,
            Review review,
            @Nullable Integer total,
            int reviewed,
            int leftOut,
            @Nullable String problem)
            implements Reviews.Effect {
        private Progress with(State changed, @Nullable String why) {
            Integer all = changed == State.DONE ? total : null; // others may have reviewed some before their step
            int left = all == null ? leftOut : Math.max(0, all - reviewed);
            return new Progress(id, changed, group, review, total, reviewed, left, why);
        }

        private Progress after(Recorded step) {
            int left = leftOut + step.leftOut().size();
            return new Progress(id, state, group, review, total, reviewed + step.reviewed(), left, problem);
        }

        /** Returns the progress as a sentence. */
        public String sentence() {
            return reviewed + (total == null ? "" : " of " + total) + " certificates of the group “" + group.cause()
                    + "” of shard " + group.shard() + " are "
                    + (review.isWithdrawal()
                            ? "withdrawn"
                            : "reviewed as " + review.verdict().text())
                    + " (" + state.text() + (problem == null ? ")" : "): " + problem)
                    + (leftOut == 0 ? "." : "; " + leftOut + " left out, which others reviewed meanwhile.");
        }
    }

    /**
     * The effect of a step.
     *
     * @param next the cursor of the next step; null after the last one
     */
    record Step(Recorded recorded, @Nullable String next) {}

    /** Takes the step at a cursor, which is null for the first one. */
    interface Steps {
        Step take(@Nullable String cursor);
    }

    LargeGroups(InstantSource clock) {
        this.prefix = Long.toString(clock.millis(), Character.MAX_RADIX) + "-";
    }

    /** @throws ReviewUnavailableException if too many groups are under way */
    synchronized Progress begin(Group group, Review review, @Nullable Integer total, Steps steps) {
        Progress first = new Progress(prefix + ++begun, State.WAITING, group, review, total, 0, 0, null);
        Run run = new Run(first);
        try {
            thread.execute(() -> run(run, steps));
        } catch (RejectedExecutionException e) {
            throw new ReviewUnavailableException(
                    "the reviews of " + (MOST_WAITING + 1) + " large groups are under way; try again later", false);
        }
        runs.put(first.id(), run);
        runs.keySet().stream()
                .limit(Math.max(0, runs.size() - MOST_REMEMBERED))
                .toList()
                .forEach(runs::remove);
        return first;
    }

    private void run(Run run, Steps steps) {
        try {
            String cursor = null;
            do {
                if (run.isToStop) {
                    end(run, State.STOPPED, null);
                    return;
                }
                run.progress = run.progress.with(State.RUNNING, null);
                Step step = steps.take(cursor);
                run.progress = run.progress.after(step.recorded());
                cursor = step.next();
            } while (cursor != null);
            end(run, State.DONE, null);
        } catch (ReviewUnavailableException e) {
            end(run, State.FAILED, (e.mayTakeEffect() ? "the last step may still take effect: " : "") + e.getMessage());
        } catch (RuntimeException | Error e) {
            end(run, State.FAILED, "internal error");
            throw e;
        }
    }

    private void end(Run run, State state, @Nullable String why) {
        run.progress = run.progress.with(state, why);
        LOG.info("{}", run.progress.sentence());
    }

    synchronized Optional<Progress> find(String id) {
        return Optional.ofNullable(runs.get(id)).map(run -> run.progress);
    }

    /** Stops a review after its present step. */
    synchronized Optional<Progress> stop(String id) {
        Run run = runs.get(id);
        if (run != null) {
            run.isToStop = true;
        }
        return find(id);
    }

    /** Returns the reviews that are remembered, the newest first. */
    synchronized List<Progress> all() {
        List<Progress> all = new ArrayList<>();
        runs.values().forEach(run -> all.add(0, run.progress));
        return all;
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
