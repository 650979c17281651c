// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.serve.BackendServer;
import dev.flk.backend.serve.HttpConfig;
import dev.flk.copy.kafka.KafkaFeed;
import dev.flk.program.config.InvalidConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The bounds on the bytes that the parts of a backend keep in the heap for others. Together, they must fit into the
 * heap. RocksDB and the buffers of the network are outside the heap.
 *
 * @param heapBytes the size of the heap
 */
record HeapBounds(long heapBytes, List<Bound> bounds, List<String> problems) {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    /** The defaults of the stores in memory are at most this part of the heap; they are never refused. */
    private static final int SHARE_OF_DEFAULTS = 16;

    /** @param setting the setting that determines the bound; empty if it is a share of the heap */
    private record Bound(String what, long bytes, String setting) {}

    static HeapBounds of(BackendConfig config, long heapBytes) {
        List<Bound> bounds = new ArrayList<>();
        bounds.add(new Bound(
                "HTTP", BackendServer.heldBytes(heapBytes, config.ops().isPresent()), ""));
        if (config.store() instanceof StoreConfig.Memory memory) {
            bounds.add(new Bound(
                    "outcomes in memory", memory.maxEntries() * MemoryStore.ENTRY_BYTES, "MEMORY_MAX_ENTRIES"));
        }
        bounds.add(new Bound("reports of agents", AgentReports.heldBytes(heapBytes), ""));
        config.copy().ifPresent(copy -> bounds.add(new Bound("copy of the log", KafkaFeed.BUFFER_BYTES, "")));
        config.feed().ifPresent(feed -> bounds.add(new Bound("feed", KafkaFeed.BUFFER_BYTES, "")));
        return new HeapBounds(heapBytes, bounds, problems(config, heapBytes, bounds));
    }

    private static List<String> problems(BackendConfig config, long heapBytes, List<Bound> bounds) {
        List<String> problems = new ArrayList<>();
        HttpConfig http = config.http();
        require(problems, "MAX_BODY_BYTES", http.maxBodyBytes(), heapBytes, BackendServer::maxBodyBytes);
        require(problems, "MAX_BATCH", http.maxBatchLines(), heapBytes, BackendServer::maxBatchLines);
        int lines = (int) Math.min(http.maxBatchLines(), BackendServer.maxBatchLines(heapBytes));
        require(
                problems,
                "MAX_BATCH_BYTES",
                http.maxBatchBytes(),
                heapBytes,
                heap -> BackendServer.maxBatchBytes(heap, lines));
        long all = sum(bounds);
        for (Bound bound : bounds) {
            boolean isDefault = bound.bytes() <= heapBytes / SHARE_OF_DEFAULTS;
            if (!bound.setting().isEmpty() && !isDefault && all > heapBytes) {
                problems.add(
                        "%s: %s take %d MiB, which do not fit into the heap of %d MiB with the %d MiB of the other bounds; lower it, or raise -Xmx"
                                .formatted(
                                        bound.setting(),
                                        bound.what(),
                                        mebibytes(bound.bytes()),
                                        heapBytes >> 20,
                                        mebibytes(all - bound.bytes())));
            }
        }
        return problems;
    }

    /** @param most returns the largest value of the setting for a size of the heap */
    private static void require(
            List<String> problems, String setting, long value, long heapBytes, Function<Long, Long> most) {
        if (value > most.apply(heapBytes)) {
            long needed = heapBytes;
            while (value > most.apply(needed)) {
                needed += 64L << 20;
            }
            problems.add("%s: %d is too large for the heap of %d MiB; set it to at most %d, or raise -Xmx to %dm"
                    .formatted(setting, value, heapBytes >> 20, most.apply(heapBytes), mebibytes(needed)));
        }
    }

    /** Returns the sum of the bounds. */
    long sumBytes() {
        return sum(bounds);
    }

    private static long sum(List<Bound> bounds) {
        return bounds.stream().mapToLong(Bound::bytes).sum();
    }

    private static long mebibytes(long bytes) {
        return -Math.floorDiv(-bytes, 1L << 20);
    }

    /**
     * Logs the bounds; warns if the heap is smaller than those which no setting determines.
     *
     * @throws InvalidConfig with the settings whose bounds do not fit
     */
    void check() {
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        String all = bounds.stream()
                .map(bound -> bound.what() + " " + mebibytes(bound.bytes()))
                .collect(Collectors.joining(", "));
        if (sumBytes() > heapBytes) {
            LOG.warn(
                    "the heap of {} MiB is too small for the {} MiB that clients may fill ({}); raise -Xmx",
                    heapBytes >> 20,
                    mebibytes(sumBytes()),
                    all);
        } else {
            LOG.info("clients may fill {} MiB of the heap of {} MiB: {}", mebibytes(sumBytes()), heapBytes >> 20, all);
        }
    }
}
