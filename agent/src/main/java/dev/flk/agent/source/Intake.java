// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.Outbox;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes certificates into the outbox. Checks just what signing needs: JSON, and the eight signed fields. What else may be
 * wrong with a certificate the backend says, and it lands among the dead letters. One thread.
 */
public final class Intake {
    /** A certificate longer than this no backend takes, even in a batch. */
    public static final int MAX_CERTIFICATE_BYTES = 8 << 20;

    private static final int MAX_APPEND_BYTES = 4 << 20;

    private final Outbox outbox;

    /** For an outbox that this process owns. */
    public Intake(Outbox outbox) {
        this.outbox = outbox;
    }

    /** What could not be taken. {@code text} is the certificate as it was given, as far as it is text. */
    public record Refused(long line, String reason, String text) {}

    /**
     * What became of a source.
     *
     * @param added certificates that are on disk
     */
    public record Result(long added, List<Refused> refused) {}

    /** Takes certificates as they are, all of them; every one is on disk when it returns. */
    public void add(List<byte[]> certificates) throws IOException {
        List<byte[]> chunk = new ArrayList<>();
        long bytes = 0;
        for (byte[] certificate : certificates) {
            if (bytes + certificate.length > MAX_APPEND_BYTES) {
                outbox.append(chunk);
                chunk = new ArrayList<>();
                bytes = 0;
            }
            chunk.add(certificate);
            bytes += certificate.length;
        }
        outbox.append(chunk);
    }

    /** Takes a source that holds one certificate, on any number of lines. */
    public Result addOne(InputStream in) throws IOException {
        byte[] certificate = in.readNBytes(MAX_CERTIFICATE_BYTES + 1);
        List<byte[]> good = new ArrayList<>();
        List<Refused> refused = new ArrayList<>();
        check(1, certificate, good, refused);
        add(good);
        return new Result(good.size(), refused);
    }

    /** Takes a source with a certificate on each line; blank lines are skipped, a line that is refused spoils no other. */
    public Result addLines(InputStream in) throws IOException {
        Lines lines = new Lines(in, MAX_CERTIFICATE_BYTES);
        List<byte[]> good = new ArrayList<>();
        List<Refused> refused = new ArrayList<>();
        long added = 0;
        long bytes = 0;
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            check(lines.number(), line, good, refused);
            bytes += line.length;
            if (bytes > MAX_APPEND_BYTES) {
                add(good);
                added += good.size();
                good.clear();
                bytes = 0;
            }
        }
        add(good);
        return new Result(added + good.size(), refused);
    }

    private static void check(long line, byte[] certificate, List<byte[]> good, List<Refused> refused) {
        if (certificate.length > MAX_CERTIFICATE_BYTES) {
            refused.add(new Refused(line, "longer than " + MAX_CERTIFICATE_BYTES + " bytes", ""));
            return;
        }
        try {
            CertificateReader.parse(certificate);
            good.add(certificate);
        } catch (MalformedCertificate e) {
            refused.add(
                    new Refused(line, String.valueOf(e.getMessage()), new String(certificate, StandardCharsets.UTF_8)));
        }
    }
}
