// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Keeps other content that came under a known id: logged once per id and content, never decided. The index of what is kept
 * suppresses evidence only; it is bounded and forgets an entry when its id's outcome may have expired. Safe for any thread.
 */
final class Evidence {
    private final Inbox inbox;
    private final Failures failures;
    private final InstantSource clock;
    private final int maxEntries;

    // guarded by this
    private final Map<Content, Kept> index = new HashMap<>();

    private record Content(PcsId id, ContentDigest digest) {}

    /** {@code waiting} is null once it is on disk. */
    private static final class Kept {
        final long expiresAtMillis;

        @Nullable
        List<Consumer<@Nullable Outcome>> waiting;

        Kept(long expiresAtMillis, @Nullable List<Consumer<@Nullable Outcome>> waiting) {
            this.expiresAtMillis = expiresAtMillis;
            this.waiting = waiting;
        }
    }

    Evidence(Inbox inbox, Failures failures, InstantSource clock, int maxEntries) {
        this.inbox = inbox;
        this.failures = failures;
        this.clock = clock;
        this.maxEntries = maxEntries;
    }

    /** This content is in the log already; for the replay at a start. */
    synchronized void known(PcsId id, ContentDigest digest, long expiresAtMillis) {
        if (makeRoom()) {
            index.put(new Content(id, digest), new Kept(expiresAtMillis, null));
        }
    }

    /**
     * Keeps a candidate's body.
     *
     * @param then called once, on any thread: with null when it is on disk, else with the error to answer
     */
    void keep(Candidate candidate, Consumer<@Nullable Outcome> then) {
        Content content = new Content(candidate.id(), candidate.digest());
        switch (register(content, candidate.decision().recorded().expiresAtMillis(), then)) {
            case KEPT -> then.accept(null);
            case WAITS -> {}
            case FULL -> then.accept(failures.overloaded());
            case NEW -> {
                boolean taken = inbox.append(
                        candidate.entry(RecordKind.EVIDENCE),
                        () -> tell(content, null),
                        cause -> tell(content, failures.ofLog(cause)));
                if (!taken) {
                    tell(content, failures.overloaded());
                }
            }
        }
    }

    private enum Registered {
        NEW,
        WAITS,
        KEPT,
        FULL
    }

    private synchronized Registered register(Content content, long expiresAtMillis, Consumer<@Nullable Outcome> then) {
        Kept kept = index.get(content);
        if (kept == null) {
            if (!makeRoom()) {
                return Registered.FULL;
            }
            index.put(content, new Kept(expiresAtMillis, new ArrayList<>(List.of(then))));
            return Registered.NEW;
        }
        if (kept.waiting == null) {
            return Registered.KEPT;
        }
        kept.waiting.add(then);
        return Registered.WAITS;
    }

    private void tell(Content content, @Nullable Outcome error) {
        List<Consumer<@Nullable Outcome>> told;
        synchronized (this) {
            Kept kept = index.get(content);
            if (kept == null || kept.waiting == null) {
                return;
            }
            told = kept.waiting;
            kept.waiting = null;
            if (error != null) {
                index.remove(content);
            }
        }
        told.forEach(then -> then.accept(error));
    }

    private boolean makeRoom() {
        if (index.size() >= maxEntries) {
            long now = clock.millis();
            index.values().removeIf(kept -> kept.waiting == null && kept.expiresAtMillis <= now);
        }
        return index.size() < maxEntries;
    }
}
