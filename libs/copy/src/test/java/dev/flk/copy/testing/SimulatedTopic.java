// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.testing;

import dev.flk.copy.CopyTopic;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A topic in memory for several writers. Entries are appended in the order in which each writer sent them, late, and
 * acknowledged later still. It can be down, lose its end or everything, and be created again.
 */
public final class SimulatedTopic {
    private final Random random;
    private final List<Sending> sendings = new ArrayList<>();
    private List<byte[]> entries = new ArrayList<>();
    private long first;
    private int generation = 1;
    private boolean isDown;
    private boolean breaks = true;
    private boolean isImmediate;
    private boolean runsOutOfMemory;

    /** What a writer has sent and the topic has not appended, and what it has appended and not acknowledged. */
    private static final class Sending {
        private final Deque<byte[]> values = new ArrayDeque<>();
        private final Deque<CompletableFuture<Long>> waiting = new ArrayDeque<>();
        private final Deque<Long> appended = new ArrayDeque<>();
        private boolean isBroken;

        private void fail(String why) {
            isBroken = true;
            List<CompletableFuture<Long>> failed = List.copyOf(waiting);
            waiting.clear();
            failed.forEach(each -> each.completeExceptionally(new CopyUnavailableException(why)));
        }
    }

    public SimulatedTopic(Random random) {
        this.random = random;
    }

    public void setDown(boolean down) {
        isDown = down;
    }

    /** Appends and acknowledges at once, for a caller that waits; the connection may break all the same. */
    public void setImmediate(boolean immediate) {
        isImmediate = immediate;
    }

    /** Returns a topic with the same entries, which is reachable and acknowledges at once. */
    public SimulatedTopic copy() {
        SimulatedTopic copy = new SimulatedTopic(random);
        copy.entries = new ArrayList<>(entries);
        copy.first = first;
        copy.generation = generation;
        copy.breaks = false;
        copy.isImmediate = true;
        return copy;
    }

    /** Ends all waits for acknowledgements; what was sent may still be appended. Returns false if there are none. */
    public boolean timeOut() {
        List<Sending> waiting =
                sendings.stream().filter(each -> !each.waiting.isEmpty()).toList();
        waiting.forEach(each -> each.fail("no acknowledgement came in time"));
        return !waiting.isEmpty();
    }

    /**
     * Loses the claims that are under way, because their writers have died. A claim that arrives after that of the next
     * writer takes the log from it, and the next writer has to start again.
     */
    public void writersDied() {
        byte[] start = "flk-copy1 claim ".getBytes(StandardCharsets.US_ASCII);
        sendings.forEach(each -> each.values.removeIf(value -> Arrays.mismatch(value, start) == start.length));
    }

    public boolean isDown() {
        return isDown;
    }

    /** Makes some calls of {@code send} throw an error of the JVM, before or after the entry was sent. */
    public void runOutOfMemory() {
        runsOutOfMemory = true;
    }

    /** Is reachable from now on, and breaks no connection. */
    public void settle() {
        runsOutOfMemory = false;
        isDown = false;
        breaks = false;
    }

    /**
     * Loses the newest entries. What a broken connection has sent is not appended any more: otherwise, it could hide the
     * loss, as the sequence numbers of an idempotent producer prevent.
     */
    public void loseEnd(int lost) {
        sendings.stream().filter(each -> each.isBroken).forEach(each -> each.values.clear());
        entries = new ArrayList<>(entries.subList(0, Math.max(0, entries.size() - lost)));
    }

    /** Is removed and created again, empty. */
    public void createAgain() {
        entries = new ArrayList<>();
        first = 0;
        generation++;
    }

    public long begin() {
        return first;
    }

    public long end() {
        return first + entries.size();
    }

    public List<byte[]> entries() {
        return entries;
    }

    /** Appends or acknowledges one entry of some writer, or breaks its connection. Returns false if there is none. */
    public boolean step() {
        List<Sending> busy = sendings.stream()
                .filter(each -> !each.values.isEmpty() || !each.appended.isEmpty())
                .toList();
        if (busy.isEmpty() || isDown) {
            return false;
        }
        Sending chosen = busy.get(random.nextInt(busy.size()));
        if (!chosen.values.isEmpty() && (chosen.appended.isEmpty() || random.nextBoolean())) {
            chosen.appended.add(append(chosen.values.removeFirst()));
        } else if (chosen.isBroken) {
            chosen.appended.clear(); // appended, but never acknowledged
        } else {
            chosen.waiting.removeFirst().complete(chosen.appended.removeFirst());
        }
        return true;
    }

    public long append(byte[] value) {
        entries.add(value);
        return end() - 1;
    }

    /** Returns a connection of a writer. */
    public CopyTopic connect() {
        return new CopyTopic() {
            private Sending own = open();

            private Sending open() {
                Sending opened = new Sending();
                sendings.add(opened);
                return opened;
            }

            private void requireUp() {
                if (isDown) {
                    throw new CopyUnavailableException("the brokers are down");
                }
            }

            @Override
            public String identity() {
                requireUp();
                return "cluster/" + generation;
            }

            @Override
            public String message(String what) {
                return "simulated: " + what;
            }

            @Override
            public String removalCommand(OptionalLong before) {
                return before.isPresent() ? "remove what is before " + before.getAsLong() : "remove the topic";
            }

            @Override
            public long begin() {
                requireUp();
                return first;
            }

            @Override
            public long end() {
                requireUp();
                return SimulatedTopic.this.end();
            }

            @Override
            public List<Entry> read(long from, long end) {
                requireUp();
                List<Entry> read = new ArrayList<>();
                long to = Math.min(Math.min(end, SimulatedTopic.this.end()), from + 1 + random.nextInt(4));
                for (long at = Math.max(from, first); at < to; at++) {
                    read.add(new Entry(at, entries.get((int) (at - first))));
                }
                return read;
            }

            @Override
            public CompletionStage<Long> send(byte[] value) {
                CompletableFuture<Long> offset = new CompletableFuture<>();
                if (own.isBroken) { // its waits were ended
                    own = open();
                }
                if (isImmediate && !isDown) {
                    boolean isBroken = breaks && random.nextInt(20) == 0;
                    long appended = isBroken && random.nextBoolean() ? -1 : append(value);
                    if (isBroken) {
                        offset.completeExceptionally(new CopyUnavailableException("the connection broke"));
                    } else {
                        offset.complete(appended);
                    }
                    return offset;
                }
                if (isDown || (breaks && random.nextInt(40) == 0)) {
                    // what was sent before may still be appended, but nothing of it is acknowledged any more
                    own.fail("the connection broke");
                    own = open();
                    offset.completeExceptionally(new CopyUnavailableException("the connection broke"));
                    return offset;
                }
                boolean isOutOfMemory = runsOutOfMemory && random.nextInt(10) == 0;
                if (isOutOfMemory && random.nextBoolean()) {
                    throw new OutOfMemoryError("of a test, before an entry was sent");
                }
                own.values.add(value);
                own.waiting.add(offset);
                if (isOutOfMemory) {
                    throw new OutOfMemoryError("of a test, after an entry was sent");
                }
                return offset;
            }

            @Override
            public void trim(long before) {
                requireUp();
                while (first < before && !entries.isEmpty()) {
                    entries.remove(0);
                    first++;
                }
            }

            @Override
            public void close() {}
        };
    }
}
