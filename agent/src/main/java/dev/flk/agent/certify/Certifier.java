// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import dev.flk.verification.Budget;
import dev.flk.verification.Policy;
import dev.flk.verification.TheilSen;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Makes one unsigned certificate of each window. What it claims of D̂, regime and budget is computed by the verifier's own
 * functions under the default policy, so that an honest certificate agrees with what the backend finds. The {@code pcs_id}
 * depends on the rows, the epoch and the shard only. Not for several threads.
 */
public final class Certifier {
    /** The window holds fewer rows than asked for, or too few to measure. */
    static final String SHORT_WINDOW = "short_window";
    /** All points are one: there is no extent to measure a dimension on. */
    static final String SINGLE_POINT = "single_point";

    /** What Java makes of arguments that are no text in the locale: ids of different shards would become one. */
    private static final char UNREADABLE = '\uFFFD';

    private static final int LONGEST_SHARD_ID = 256;

    private final List<String> shardIds;
    private int dealt;

    /** Windows are dealt to the shards in turn; with one shard, all are its own. */
    public Certifier(List<String> shardIds) {
        for (String shardId : shardIds) {
            int length = shardId.codePointCount(0, shardId.length());
            if (length < 1 || length > LONGEST_SHARD_ID) {
                throw new IllegalArgumentException(
                        "a shard id has 1 to " + LONGEST_SHARD_ID + " characters, this has " + length);
            }
            if (!CanonicalString.isWellFormed(shardId) || shardId.indexOf(UNREADABLE) >= 0) {
                throw new IllegalArgumentException(
                        "the shard id holds characters that are no text in this locale; set LC_ALL=C.UTF-8");
            }
        }
        if (shardIds.isEmpty()) {
            throw new IllegalArgumentException("at least one shard is needed");
        }
        this.shardIds = List.copyOf(shardIds);
    }

    /**
     * Certifies a whole CSV file, or nothing of it: JSON in UTF-8, a certificate for each window, in order.
     *
     * @throws MalformedCsv naming the line, if the file has a mistake anywhere
     */
    public List<byte[]> certify(InputStream csv, Windows windows) throws IOException, MalformedCsv {
        List<byte[]> certificates = new ArrayList<>();
        windows.cut(new CsvRows(csv), window -> certificates.add(certificate(window, nextShard())));
        return certificates;
    }

    /**
     * Certifies a CSV that grows, each window as soon as it is complete; what stands behind the last complete one is left out.
     *
     * @param each takes one certificate after the other
     * @throws MalformedCsv naming the line of a mistake; what came before it was certified
     */
    public void follow(InputStream csv, Windows windows, Consumer<byte[]> each) throws IOException, MalformedCsv {
        EndNoticed noticed = new EndNoticed(csv);
        windows.cut(new CsvRows(noticed), window -> {
            if (!noticed.ended) {
                each.accept(certificate(window, nextShard()));
            }
        });
    }

    /** A window that only the end has completed may not be complete. */
    private static final class EndNoticed extends FilterInputStream {
        private boolean ended;

        EndNoticed(InputStream csv) {
            super(csv);
        }

        @Override
        public int read() throws IOException {
            int b = super.read();
            ended |= b < 0;
            return b;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = super.read(target, offset, length);
            ended |= read < 0;
            return read;
        }
    }

    private String nextShard() {
        return shardIds.get(dealt++ % shardIds.size());
    }

    static byte[] certificate(Window window, String shardId) {
        List<byte[]> leaves = new ArrayList<>(window.rows().size());
        StringBuilder text = new StringBuilder();
        for (Row row : window.rows()) {
            String line = row.text();
            leaves.add(line.getBytes(StandardCharsets.US_ASCII));
            text.append(line).append('\n');
        }
        UnitCube points = UnitCube.of(window.rows());
        return json(
                        window,
                        shardId,
                        MerkleTree.root(leaves),
                        BoxCounting.count(points),
                        Coherence.of(points),
                        Compressibility.of(text.toString().getBytes(StandardCharsets.US_ASCII)))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static String json(
            Window window, String shardId, String merkleRoot, long[] boxes, Coherence coherence, double ratio) {
        double cohStar = CanonicalDouble.round9(coherence.share());
        double r = CanonicalDouble.round9(ratio);
        double dHat = TheilSen.slope(BoxCounting.SCALES, boxes);
        List<String> fallbacks = fallbacks(window, boxes);
        JsonLine json = new JsonLine();
        json.text("pcs_id", PcsId.of(merkleRoot, window.number(), shardId).toString());
        json.text("schema", "fractal-lba-kakeya");
        json.text("version", "0.1");
        json.text("shard_id", shardId);
        json.integer("epoch", window.number());
        json.integer("seed", Coherence.SEED);
        json.integers("scales", BoxCounting.SCALES);
        json.countsByScale("N_j", BoxCounting.SCALES, boxes);
        json.real("coh_star", cohStar);
        json.reals("v_star", coherence.direction());
        json.real("D_hat", dHat);
        json.real("r", r);
        json.text("regime", Regime.of(dHat, cohStar).wireName());
        json.real("budget", Budget.of(Policy.defaults(), dHat, cohStar, r));
        json.text("merkle_root", merkleRoot);
        if (!fallbacks.isEmpty()) {
            json.degraded("ft", fallbacks);
        }
        return json.end();
    }

    /** Why the backend should not take this window at its word; empty for most. */
    private static List<String> fallbacks(Window window, long[] boxes) {
        List<String> fallbacks = new ArrayList<>();
        if (window.isShort()) {
            fallbacks.add(SHORT_WINDOW);
        }
        if (boxes[boxes.length - 1] == 1) {
            fallbacks.add(SINGLE_POINT);
        }
        return fallbacks;
    }

    /** Writes one JSON object on one line, members in the order of the calls; reals in the shortest text that reads back. */
    private static final class JsonLine {
        private final StringBuilder out = new StringBuilder(1024);

        void text(String name, String value) {
            member(name, CanonicalString.quote(value));
        }

        void integer(String name, long value) {
            member(name, Long.toString(value));
        }

        void real(String name, double value) {
            member(name, CanonicalDouble.print(value));
        }

        void integers(String name, int[] values) {
            member(name, Arrays.stream(values).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]")));
        }

        void reals(String name, double[] values) {
            member(
                    name,
                    Arrays.stream(values).mapToObj(CanonicalDouble::print).collect(Collectors.joining(",", "[", "]")));
        }

        /** {@code {"2":7,"4":18}}. */
        void countsByScale(String name, int[] scales, long[] counts) {
            member(
                    name,
                    IntStream.range(0, scales.length)
                            .mapToObj(i -> "\"" + scales[i] + "\":" + counts[i])
                            .collect(Collectors.joining(",", "{", "}")));
        }

        /** {@code {"degraded":true,"fallbacks":["…"]}}. */
        void degraded(String name, List<String> fallbacks) {
            String names = fallbacks.stream().map(CanonicalString::quote).collect(Collectors.joining(",", "[", "]"));
            member(name, "{\"degraded\":true,\"fallbacks\":" + names + "}");
        }

        /** The whole object; nothing can be added after it. */
        String end() {
            return out.append('}').toString();
        }

        private void member(String name, String json) {
            out.append(out.length() == 0 ? '{' : ',')
                    .append('"')
                    .append(name)
                    .append("\":")
                    .append(json);
        }
    }
}
