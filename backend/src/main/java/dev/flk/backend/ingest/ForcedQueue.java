// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.metrics.Meters;
import dev.flk.wal.LockLostException;
import dev.flk.wal.LogListener;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The recorder's queue, in order: everything that one force ended goes over as one group, so that the log's writer does nothing but
 * write and force; so do the store's answers. Adding never waits; the queue is bounded by the ids that may be in flight. It is also
 * what the log's writer reports to, for metrics and log lines.
 */
final class ForcedQueue implements LogListener {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    private final LinkedBlockingQueue<Group> groups = new LinkedBlockingQueue<>();
    private final CompletableFuture<LockLostException> lockLost = new CompletableFuture<>();
    private final Meters meters;
    private volatile Flush flush = () -> {};

    /** The group that is being collected; the writer's thread only. */
    private Group together = new Group(new ArrayList<>(), new ArrayList<>());

    /**
     * What one force ended.
     *
     * @param submissions are on disk and to be recorded, in the order of the log
     * @param others are to be run
     */
    record Group(List<InFlight> submissions, List<Runnable> others) {
        private boolean isEmpty() {
            return submissions.isEmpty() && others.isEmpty();
        }
    }

    /** Makes durable what was decided. */
    @FunctionalInterface
    interface Flush {
        void run() throws IOException;
    }

    ForcedQueue(Meters meters) {
        this.meters = meters;
    }

    /** What is to be done before the log goes on without a segment that was moved away. */
    void whenVanished(Flush toDo) {
        flush = toDo;
    }

    /** Completes when this process does not own the log any more. */
    CompletionStage<LockLostException> lockLost() {
        return lockLost;
    }

    /** These were forced; on the writer's thread. */
    void forced(List<InFlight> submissions) {
        together.submissions().addAll(submissions);
    }

    /** To be run on the recorder's thread; on the writer's thread. */
    void other(Runnable told) {
        together.others().add(told);
    }

    /** All that shared the force were told; on the writer's thread. */
    @Override
    public void groupEnded() {
        if (!together.isEmpty()) {
            groups.add(together);
            together = new Group(new ArrayList<>(), new ArrayList<>());
        }
    }

    /** To be run on the recorder's thread, behind what was handed over before. Any thread. */
    void tell(Runnable told) {
        groups.add(new Group(List.of(), List.of(told)));
    }

    /** The next group; null if there is none. */
    @Nullable
    Group poll() {
        return groups.poll();
    }

    /** How many wait. */
    int size() {
        return groups.size();
    }

    /** Waits for the next group. The waiting thread may not be interrupted. */
    Group take() {
        boolean interrupted = false;
        while (true) {
            try {
                Group group = groups.take();
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                return group;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }

    @Override
    public void vanished(String segment, @Nullable String renamedTo) throws IOException {
        if (renamedTo == null) {
            LOG.error(
                    "log segment {} was moved, removed or emptied while it was written to; the log goes on in a new segment."
                            + " Put it back if it was moved. logrotate may rename segments, but 'copytruncate' destroys them",
                    segment);
            flush.run();
            return;
        }
        LOG.info("log segment {} was renamed and is now {}; the log goes on in a new segment", segment, renamedTo);
        try {
            flush.run(); // logrotate forces nothing to disk
        } catch (IOException | StoreUnavailableException e) {
            LOG.warn("what {} holds could not be made durable in the store as well: {}", renamedTo, e.getMessage());
        }
    }

    @Override
    public void lockLost(LockLostException cause) {
        LOG.error("nothing more is logged or answered: {}", cause.getMessage());
        lockLost.complete(cause);
    }

    @Override
    public void forced(int records, long segmentBytes, long nanos) {
        meters.walFsync.observeNanos(nanos);
    }

    @Override
    public void failed(IOException cause) {
        LOG.error("WAL append error: {}", cause.getMessage());
    }

    @Override
    public void opened(String segment) {
        LOG.info("log segment {} opened", segment);
    }
}
