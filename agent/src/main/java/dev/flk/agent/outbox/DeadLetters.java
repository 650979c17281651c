// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The file of certificates that are given up, one JSON object a line, in the order they were given up:
 *
 * <pre>
 * {"when":"2026-11-20T08:00:00Z","outbox_seq":7,"added":1795161600000,"pcs_id":"…","status":400,"reason":"…",
 *  "attempts":1,"certificate":{…}}
 * </pre>
 *
 * <p>A line is on disk when {@link #add} returns; only then may its entry be settled. {@code outbox_seq} and {@code added}
 * name the entry, so that {@link #open} can settle what a crash left in between. Owned by the process that owns the outbox;
 * one thread writes.
 */
public final class DeadLetters implements Closeable {
    private static final JsonFactory JSON = new JsonFactory();

    private static final long NOT_TORN = -1;

    private final FileChannel file;
    private final AtomicInteger count;
    /** Where part of a line may stand that could not be taken away yet. */
    private long tornFrom = NOT_TORN;

    private DeadLetters(FileChannel file, int count) {
        this.file = file;
        this.count = new AtomicInteger(count);
    }

    /**
     * Opens the file, makes it end after a whole line, and settles the entries of the outbox that are in it already.
     *
     * @throws IOException if a line is no dead letter; it names the line. A last line that was cut off is removed
     */
    public static DeadLetters open(Path path, Outbox outbox) throws IOException {
        Path parent = path.toAbsolutePath().getParent();
        if (parent != null) {
            Files.createDirectories(parent);
        }
        FileChannel file =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            LastLine.makeWhole(path, file);
            int count = settleKnown(path, outbox);
            file.force(true);
            if (parent != null) {
                forceDirectory(parent);
            }
            return new DeadLetters(file, count);
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** Whole lines in a file that nobody needs to own, also while another process writes it; 0 if there is none. */
    public static int count(Path path) throws IOException {
        if (!Files.exists(path)) {
            return 0;
        }
        int count = 0;
        boolean blank = true;
        try (InputStream in = new BufferedInputStream(Files.newInputStream(path), 1 << 16)) {
            for (int b = in.read(); b >= 0; b = in.read()) {
                if (b == '\n' && !blank) {
                    count++;
                }
                blank = b == '\n' || (blank && (b == ' ' || b == '\t' || b == '\r'));
            }
        }
        return count;
    }

    /** Adds a line and waits until it is on disk. On failure nothing of it stays, or the next call takes it away. */
    public void add(DeadLetter letter) throws IOException {
        cutTorn();
        long end = file.size();
        tornFrom = end;
        try {
            ByteBuffer line = ByteBuffer.wrap(line(letter));
            for (long at = end; line.hasRemaining(); ) {
                at += file.write(line, at);
            }
            file.force(false);
            tornFrom = NOT_TORN;
        } catch (IOException e) {
            try {
                cutTorn();
            } catch (IOException again) {
                e.addSuppressed(again);
            }
            throw e;
        }
        count.incrementAndGet();
    }

    private void cutTorn() throws IOException {
        if (tornFrom != NOT_TORN) {
            file.truncate(tornFrom);
            tornFrom = NOT_TORN;
        }
    }

    /** Lines in the file. */
    public int count() {
        return count.get();
    }

    private static byte[] line(DeadLetter letter) throws IOException {
        var bytes = new ByteArrayOutputStream(letter.certificate().length + 512);
        try (JsonGenerator json = JSON.createGenerator(bytes, JsonEncoding.UTF8)) {
            json.writeStartObject();
            json.writeStringField("when", letter.when().toString());
            json.writeNumberField("outbox_seq", letter.entry().sequence());
            json.writeNumberField("added", letter.entry().addedMillis());
            json.writeStringField("pcs_id", letter.pcsId());
            if (letter.status() != 0) {
                json.writeNumberField("status", letter.status());
            }
            json.writeStringField("reason", letter.reason());
            json.writeNumberField("attempts", letter.attempts());
            json.writeFieldName("certificate");
            // line breaks stand between tokens only, so a space means the same
            json.writeRawValue(new String(letter.certificate(), StandardCharsets.UTF_8)
                    .replace('\n', ' ')
                    .replace('\r', ' '));
            json.writeEndObject();
        }
        bytes.write('\n');
        return bytes.toByteArray();
    }

    private static int settleKnown(Path path, Outbox outbox) throws IOException {
        Map<Long, Entry> pending = new HashMap<>();
        outbox.pending().forEach(entry -> pending.put(entry.sequence(), entry));
        int count = 0;
        try (BufferedReader lines = Files.newBufferedReader(path)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.isBlank()) {
                    continue;
                }
                count++;
                Name name = name(line, path, count);
                Entry entry = pending.get(name.sequence());
                if (entry != null && entry.addedMillis() == name.addedMillis()) {
                    outbox.settle(List.of(entry));
                }
            }
        }
        return count;
    }

    /** What names the entry of a dead letter. */
    private record Name(long sequence, long addedMillis) {}

    /** Reads no further than needed: what stands in a certificate is nothing to stumble over. */
    private static Name name(String line, Path path, int number) throws IOException {
        long sequence = -1;
        try (JsonParser json = JSON.createParser(line)) {
            json.nextToken();
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                json.nextToken();
                if (field.equals("outbox_seq")) {
                    sequence = json.getLongValue();
                } else if (field.equals("added")) {
                    return new Name(sequence, json.getLongValue());
                }
                json.skipChildren();
            }
        } catch (IOException e) {
            throw notALetter(path, number, e);
        }
        throw notALetter(path, number, null);
    }

    private static IOException notALetter(Path path, int number, @Nullable IOException cause) {
        return new IOException(
                path + ": line " + number + " is no dead letter; correct or remove it, or move the file away", cause);
    }

    private static void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
