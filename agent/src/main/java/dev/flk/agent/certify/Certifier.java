// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.flk.agent.certify.Measures.Coherence;
import dev.flk.agent.certify.Measures.UnitCube;
import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.certificate.ShardId;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.verification.Policy;
import dev.flk.verification.TheilSen;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;

/**
 * The computation of an unsigned certificate for each window. D̂, regime and budget are computed by the verifier's
 * functions with the default policy. A backend with the default policy uses the same functions and therefore gets the
 * same results. The {@code pcs_id} depends only on the rows, the epoch and the shard. Not safe for several threads.
 */
public final class Certifier {
    /** The setting that names the shard. */
    public static final Key<String> SHARD_ID =
            Key.of("SHARD_ID", Quantities::text, "The shard that `certify` writes into certificates.");

    /**
     * The entry in a certificate's {@code ft.fallbacks} for a window that has less than half of the requested rows, or
     * too few rows to measure.
     */
    static final String SHORT_WINDOW = "short_window";
    /**
     * The entry in a certificate's {@code ft.fallbacks} for a window whose values are all equal in every column of
     * values. Such a window has no shape, and often a sensor that sticks.
     */
    static final String SINGLE_POINT = "single_point";

    private static final JsonFactory JSON = new JsonFactory();

    private static final String BEGINNING = "{\"pcs_id\":\"";
    private static final int LONGEST_CERTIFICATE_BYTES = 1 << 16;
    // times outside the years 1 to 9999 are left out of certificates, because RFC 3339 requires a year of four digits
    private static final double FIRST_SECOND =
            Instant.parse("0001-01-01T00:00:00Z").getEpochSecond();
    private static final double LAST_SECOND =
            Instant.parse("9999-12-31T00:00:00Z").getEpochSecond();

    private final List<String> shardIds;
    private final Consumer<String> lines;
    private final boolean mayRest;
    private boolean isBegun;
    private long dealt;

    /** Creates a certifier that assigns the windows to these shards in turn. */
    public Certifier(List<String> shardIds) {
        this(shardIds, line -> {}, false);
    }

    /**
     * Creates a certifier.
     *
     * @param shardIds the shards to which the windows are assigned in turn; not used if a column names the shards
     * @param lines receives a heading before the first window, and a line about each window, for a terminal
     * @param mayRest whether a window whose values are all equal is as good as any other
     */
    public Certifier(List<String> shardIds, Consumer<String> lines, boolean mayRest) {
        shardIds.forEach(ShardId::check);
        this.shardIds = List.copyOf(shardIds);
        this.lines = lines;
        this.mayRest = mayRest;
    }

    /** Returns the shards to which the windows are assigned in turn. */
    public List<String> shardIds() {
        return shardIds;
    }

    /**
     * Returns the certificates of all windows of a CSV file, in order, as JSON in UTF-8. If any line of the file has a
     * mistake, the entire call fails.
     *
     * @throws MalformedCsv if a line has a mistake, in which case the message names the line, or if the file has no
     *     rows
     */
    public List<byte[]> certify(CsvRows csv, Windows windows) throws IOException, MalformedCsv {
        List<byte[]> certificates = new ArrayList<>();
        windows.cut(csv, window -> certificates.add(next(window)));
        if (certificates.isEmpty()) {
            throw csv.noRows();
        }
        return certificates;
    }

    /** Returns the next certificate, of the shard that a column names or of the next shard in turn. */
    byte[] next(Window window) {
        boolean hasOne = shardIds.size() == 1;
        String shard = window.shard().isEmpty() ? nextShard() : window.shard();
        byte[] certificate = certificate(window, shard, mayRest);
        if (!isBegun) {
            lines.accept(Preview.HEADING + (hasOne ? "" : "      shard"));
        }
        isBegun = true;
        lines.accept(Preview.line(window, certificate, hasOne ? "" : shard));
        return certificate;
    }

    /** Continues after the first {@code windows} windows: assigns the next window to the shard whose turn it is. */
    void skip(long windows) {
        dealt = windows;
    }

    /**
     * Returns whether every line of a stream is an unsigned certificate in the form that a certifier returns; true for
     * an empty stream.
     */
    public static boolean areCertificates(InputStream stream) throws IOException {
        InputStream in = new BufferedInputStream(stream);
        var line = new ByteArrayOutputStream();
        for (int b = in.read(); b >= 0; b = in.read()) {
            if (b != '\n') {
                line.write(b);
                if (line.size() > LONGEST_CERTIFICATE_BYTES) {
                    return false;
                }
            } else if (isCertificate(line.toByteArray())) {
                line.reset();
            } else {
                return false;
            }
        }
        return line.size() == 0;
    }

    private static boolean isCertificate(byte[] line) {
        try {
            return new String(line, StandardCharsets.UTF_8).startsWith(BEGINNING)
                    && CertificateReader.parse(line).sig() == null;
        } catch (MalformedCertificate e) {
            return false;
        }
    }

    private String nextShard() {
        return shardIds.get((int) (dealt++ % shardIds.size()));
    }

    static byte[] certificate(Window window, String shardId, boolean mayRest) {
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
                fallbacks(window, mayRest),
                MerkleTree.root(leaves),
                Measures.boxCounts(points),
                Coherence.of(points),
                Measures.compressibility(text.toString().getBytes(StandardCharsets.US_ASCII)));
    }

    /** Returns the certificate on one line. Each real number is the shortest text that parses to the same value. */
    private static byte[] json(
            Window window,
            String shardId,
            List<String> fallbacks,
            String merkleRoot,
            long[] boxes,
            Coherence coherence,
            double ratio) {
        double cohStar = CanonicalDouble.round9(coherence.share());
        double r = CanonicalDouble.round9(ratio);
        double dHat = TheilSen.slope(Measures.SCALES, boxes);
        var out = new ByteArrayOutputStream(1024);
        try (JsonGenerator json = JSON.createGenerator(out)) {
            json.writeStartObject();
            json.writeStringField(
                    "pcs_id", PcsId.of(merkleRoot, window.number(), shardId).toString());
            json.writeStringField("schema", "fractal-lba-kakeya");
            json.writeStringField("version", "0.1");
            json.writeFieldName("shard_id");
            json.writeRawValue(CanonicalString.quote(shardId));
            json.writeNumberField("epoch", window.number());
            json.writeNumberField("seed", Coherence.SEED);
            json.writeFieldName("scales");
            json.writeArray(Measures.SCALES, 0, Measures.SCALES.length);
            json.writeObjectFieldStart("N_j");
            for (int i = 0; i < boxes.length; i++) {
                json.writeNumberField(Integer.toString(Measures.SCALES[i]), boxes[i]);
            }
            json.writeEndObject();
            real(json, "coh_star", cohStar);
            json.writeArrayFieldStart("v_star");
            for (double coordinate : coherence.direction()) {
                json.writeNumber(CanonicalDouble.print(coordinate));
            }
            json.writeEndArray();
            real(json, "D_hat", dHat);
            real(json, "r", r);
            json.writeStringField("regime", Regime.of(dHat, cohStar).wireName());
            real(json, "budget", Policy.defaults().budget(dHat, cohStar, r));
            json.writeStringField("merkle_root", merkleRoot);
            DoubleSummaryStatistics times =
                    window.rows().stream().mapToDouble(Row::timestampSeconds).summaryStatistics();
            boolean hasTimes = window.hasTimes() && times.getMin() >= FIRST_SECOND && times.getMax() <= LAST_SECOND;
            if (!fallbacks.isEmpty() || hasTimes) {
                json.writeObjectFieldStart("ft");
                if (!fallbacks.isEmpty()) {
                    json.writeBooleanField("degraded", true);
                    json.writeFieldName("fallbacks");
                    json.writeArray(fallbacks.toArray(String[]::new), 0, fallbacks.size());
                }
                if (hasTimes) {
                    json.writeStringField("window_start", time(times.getMin()));
                    json.writeStringField("window_end", time(times.getMax()));
                }
                json.writeEndObject();
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a write to memory does not fail
        }
        return out.toByteArray();
    }

    private static String time(double seconds) {
        return Instant.ofEpochMilli(Math.round(seconds * 1_000)).toString();
    }

    private static void real(JsonGenerator json, String name, double value) throws IOException {
        json.writeFieldName(name);
        json.writeNumber(CanonicalDouble.print(value));
    }

    /**
     * Returns the content of the certificate's {@code ft.fallbacks}: the reasons why the claims of this window are
     * unreliable. Returns an empty list for most windows.
     */
    private static List<String> fallbacks(Window window, boolean mayRest) {
        List<String> fallbacks = new ArrayList<>();
        if (window.isShort()) {
            fallbacks.add(SHORT_WINDOW);
        }
        Row first = window.rows().get(0);
        if (!mayRest && window.rows().stream().allMatch(first::hasSameValues)) {
            fallbacks.add(SINGLE_POINT);
        }
        return fallbacks;
    }

    /**
     * The Merkle tree hash of RFC 6962, section 2.1: a leaf is {@code SHA-256(0x00 ‖ data)} and a node {@code
     * SHA-256(0x01 ‖ left ‖ right)}. The number of leaves in the left subtree is the largest power of two below the
     * total number.
     */
    static final class MerkleTree {
        private static final byte LEAF = 0;
        private static final byte NODE = 1;

        private MerkleTree() {}

        /** Returns the root of the tree whose leaves have these data, in this order, as 64 lower-case hex digits. */
        static String root(List<byte[]> leaves) {
            MessageDigest sha256 = sha256();
            return HexFormat.of().formatHex(leaves.isEmpty() ? sha256.digest() : hash(leaves, sha256));
        }

        private static byte[] hash(List<byte[]> leaves, MessageDigest sha256) {
            if (leaves.size() == 1) {
                sha256.update(LEAF);
                return sha256.digest(leaves.get(0));
            }
            int left = Integer.highestOneBit(leaves.size() - 1);
            byte[] leftHash = hash(leaves.subList(0, left), sha256);
            byte[] rightHash = hash(leaves.subList(left, leaves.size()), sha256);
            sha256.update(NODE);
            sha256.update(leftHash);
            return sha256.digest(rightHash);
        }

        private static MessageDigest sha256() {
            try {
                return MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-256", e);
            }
        }
    }
}
