// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.Event.Change;
import dev.flk.state.PendingCommit.Removal;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Existing;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Newest;
import dev.flk.state.Storage.RequestKey;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * The decision of one batch of commits. The decision checks the conditions of each commit, assigns versions and
 * revisions, and repeats remembered answers. Each commit sees the effects of the earlier commits. A decision has no
 * side effects, reads no clock and belongs to one thread. It takes effect only if the storage commits the batch; if the
 * storage rejects the batch, {@link Writer} may decide the commits of the batch again with new objects of this class.
 */
final class BatchDecision {
    private final Map<StateKey, Newest> newest;
    private final Map<RequestKey, Answered> answered;
    private final long nowMicros;
    private final long beginMicros;
    private final long expiryMicros;
    private final long elapsedMicros;
    private final long rememberedMicros;
    private final Function<Removal, List<KeyAt>> selected;
    private Head head;
    private final List<Event> events = new ArrayList<>();
    private final Map<RequestKey, Answered> newAnswers = new HashMap<>();
    private final Map<StateKey, Long> expiries = new HashMap<>();

    /**
     * Creates a decision without commits.
     *
     * @param nowMicros the time of the commits by the wall clock
     * @param expiryMicros the time that is compared with the ends of lifetimes. If the storage has a clock that all
     *     processes share, two rules ensure that a wrong clock ends no lifetime early. A lifetime ends only after both
     *     {@code expiryMicros} and the shared clock have reached the end. A new lifetime begins at {@code nowMicros} or
     *     at the time of the shared clock, whichever is later
     * @param elapsedMicros the elapsed time of the engine, which decides whether a remembered answer has expired; jumps
     *     of the wall clock do not affect this time
     * @param rememberedMicros the time for which an answer is remembered
     * @param selected a function that returns the keys that a removal must delete; throws TX_TOO_LARGE if the keys
     *     exceed the limits of a transaction. The function reads the keys at the head of {@code existing} and does not
     *     see other commits of the batch, so a removal must be the only commit of its batch
     */
    BatchDecision(
            Existing existing,
            long nowMicros,
            long expiryMicros,
            long elapsedMicros,
            long rememberedMicros,
            Function<Removal, List<KeyAt>> selected) {
        this.newest = new HashMap<>(existing.newest());
        this.answered = new HashMap<>(existing.answered());
        this.head = existing.head();
        this.nowMicros = nowMicros;
        this.beginMicros = Math.max(nowMicros, existing.clockMicros());
        this.expiryMicros = existing.clockMicros() == 0 ? expiryMicros : Math.min(expiryMicros, existing.clockMicros());
        this.elapsedMicros = elapsedMicros;
        this.rememberedMicros = rememberedMicros;
        this.selected = selected;
    }

    /**
     * Decides the next commit.
     *
     * @throws StateException if the commit is rejected; a rejected commit has no effect
     */
    Committed decide(PendingCommit commit) {
        RequestKey request = commit.request();
        Answered before = request == null ? null : answered.get(request);
        if (request != null && before != null && before.expiresAtMicros() > elapsedMicros) {
            if (!before.content().equals(commit.content())) {
                throw Reason.INVALID.because("request_id '" + request.requestId()
                        + "' was used for another transaction in the last minutes; use a new one for each transaction");
            }
            return before.committed();
        }
        if (commit.otherwise() != null) {
            throw commit.otherwise();
        }
        commit.conditions().forEach(condition -> require(condition, newest.getOrDefault(condition.key(), Newest.NONE)));
        Removal removal = commit.removal();
        Committed committed = apply(removal == null ? commit.operations() : deletions(removal));
        if (request != null) {
            Answered now = new Answered(commit.content(), committed, elapsedMicros + rememberedMicros);
            answered.put(request, now);
            newAnswers.put(request, now);
        }
        return committed;
    }

    private List<Operation> deletions(Removal removal) {
        if (removal.ifRevision() > head.revision()) {
            throw Reason.INVALID.because("if_revision " + removal.ifRevision()
                    + " does not exist; the newest revision is " + head.revision());
        }
        List<Operation> deletions = new ArrayList<>();
        for (KeyAt found : selected.apply(removal)) {
            StateKey key = new StateKey(removal.namespace(), removal.agentId(), found.name());
            if (removal.ifRevision() != Removal.ANY_REVISION && found.revision() > removal.ifRevision()) {
                throw Reason.VERSION_CONFLICT.because(
                        key + " was written at revision " + found.revision() + ", after if_revision "
                                + removal.ifRevision(),
                        Map.of(
                                "namespace", key.namespace(),
                                "agent_id", key.agentId(),
                                "key", key.name(),
                                "expected", Long.toString(removal.ifRevision()),
                                "actual", Long.toString(found.revision())));
            }
            // it is not known here whether the key has a lifetime; assume that the key has one, so that the deletion
            // ends the lifetime
            newest.put(key, new Newest(found.version(), true, Long.MAX_VALUE));
            deletions.add(new Operation.Delete(key, Operation.ANY_VERSION));
        }
        return deletions;
    }

    private Committed apply(List<Operation> operations) {
        Map<StateKey, Newest> changed = new HashMap<>();
        Map<StateKey, Long> changedExpiries = new HashMap<>();
        List<Change> changes = new ArrayList<>();
        List<Long> versions = new ArrayList<>(operations.size());
        for (Operation operation : operations) {
            StateKey key = operation.key();
            Newest current = changed.getOrDefault(key, newest.getOrDefault(key, Newest.NONE));
            require(operation, current);
            long ttlMicros = ttlMicros(operation);
            long expiresAt = ttlMicros == 0 ? 0 : beginMicros + ttlMicros;
            if (operation instanceof Operation.Touch) {
                changed.put(key, new Newest(current.version(), true, expiresAt));
                changedExpiries.put(key, expiresAt);
            }
            if (!isChange(operation, current)) {
                versions.add(current.version());
                continue;
            }
            String json = operation instanceof Operation.Write write ? write.json() : null;
            Change change = new Change(key, current.version() + 1, json, ttlMicros);
            changes.add(change);
            changed.put(key, new Newest(change.version(), json != null, expiresAt));
            if (expiresAt != 0 || current.expiresAtMicros() != 0) {
                changedExpiries.put(key, expiresAt);
            }
            versions.add(change.version());
        }
        newest.putAll(changed);
        expiries.putAll(changedExpiries);
        if (changes.isEmpty()) {
            return new Committed(0, 0, List.copyOf(versions));
        }
        head = head.next(Math.max(nowMicros, head.committedAtMicros() + 1));
        events.add(new Event(head.revision(), head.committedAtMicros(), List.copyOf(changes)));
        return new Committed(head.revision(), head.committedAtMicros(), List.copyOf(versions));
    }

    private static long ttlMicros(Operation operation) {
        return operation instanceof Operation.Write write
                ? write.ttlMicros()
                : operation instanceof Operation.Touch touch ? touch.ttlMicros() : 0;
    }

    /** Returns whether an operation creates a version. */
    private boolean isChange(Operation operation, Newest current) {
        if (operation instanceof Operation.Expire) {
            return current.exists() && current.expiresAtMicros() != 0 && current.expiresAtMicros() <= expiryMicros;
        }
        return operation instanceof Operation.Write || (operation instanceof Operation.Delete && current.exists());
    }

    private static void require(Operation operation, Newest current) {
        long expected = operation.ifVersion();
        boolean holds = expected == Operation.ANY_VERSION
                || (expected == 0 ? !current.exists() : current.version() == expected);
        if (!holds) {
            StateKey key = operation.key();
            String actual = current.version() + (current.exists() || current.version() == 0 ? "" : " (deleted)");
            throw Reason.VERSION_CONFLICT.because(
                    key + ": expected version " + expected + ", found " + actual,
                    conflict(key, Long.toString(expected), current));
        }
        if (operation instanceof Operation.Touch && !current.exists()) {
            throw Reason.VERSION_CONFLICT.because(
                    operation.key() + " does not exist, so its lifetime can't be renewed",
                    conflict(operation.key(), Long.toString(operation.ifVersion()), current));
        }
        if (operation instanceof Operation.Touch && current.expiresAtMicros() == 0) {
            throw Reason.INVALID.because(operation.key() + " has no lifetime to renew; write it with a ttl");
        }
    }

    private static Map<String, String> conflict(StateKey key, String expected, Newest current) {
        return Map.of(
                "namespace", key.namespace(),
                "agent_id", key.agentId(),
                "key", key.name(),
                "expected", expected,
                "actual", Long.toString(current.version()));
    }

    /** Returns the combined effect of all commits decided so far. */
    Batch batch() {
        return new Batch(List.copyOf(events), Map.copyOf(newAnswers), Map.copyOf(expiries));
    }

    /** Returns the head after all commits decided so far. */
    Head head() {
        return head;
    }
}
