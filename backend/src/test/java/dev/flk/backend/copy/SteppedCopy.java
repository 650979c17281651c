// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.copy.CopyRefusedException;
import dev.flk.copy.CopyTopic;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Objects;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** A {@link CopyOpening} and the {@link CopiedLog} that follows, whose steps a simulation takes. */
public final class SteppedCopy {
    private final CopyOpening opening;
    private @Nullable CopiedLog copied;

    /** @param beside the disk on which the copy is collected for a restore */
    public SteppedCopy(
            CopyTopic topic,
            boolean isRequired,
            Path directory,
            FileOps files,
            FileOps beside,
            String host,
            boolean takeOver,
            RandomGenerator random,
            InstantSource clock,
            LongSupplier nanoTicker) {
        opening = new CopyOpening(
                topic,
                () -> {},
                isRequired,
                directory,
                files,
                beside,
                "%016x".formatted(random.nextLong()),
                host,
                takeOver,
                random,
                clock,
                logId -> 0,
                nanoTicker);
    }

    /** Makes the directory ready, or fails if a backend would wait. */
    public void tryPrepare() throws IOException, CopyRefusedException {
        opening.tryPrepare();
    }

    /** Begins to copy an open log. */
    public void follow(Inbox inbox) {
        copied = opening.copied(inbox);
    }

    /** Returns whether the topic had lost what it had acknowledged. */
    public boolean hasLost() {
        return log().losses() > 0;
    }

    public CopiedLog log() {
        return Objects.requireNonNull(copied);
    }

    /** Returns whether the start may go on, because everything that the log had is copied. */
    public boolean isStartComplete() throws IOException {
        return log().isStartComplete();
    }

    /** Returns the end of what is safe. {@code waiting} runs whenever a backend would wait at its start. */
    public SafeEnd safeEnd(Runnable waiting) {
        SafeEnd end = log();
        return new SafeEnd() {
            @Override
            public long sequence() {
                return end.sequence();
            }

            @Override
            public Optional<String> problem() {
                return end.problem();
            }

            @Override
            public boolean isOwned() {
                return end.isOwned();
            }

            @Override
            public void forced(long sequence) {
                end.forced(sequence);
            }

            @Override
            public void await() {
                waiting.run();
            }

            @Override
            public void whenMoved(Runnable listener) {
                end.whenMoved(listener);
            }
        };
    }

    public boolean step() {
        return log().step();
    }
}
