// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * The positions of all files of all sources, as stored in one file: a line for each, with its key in base64 and {@link
 * Position#text}, and at the end the digest of the format and of these lines. For one thread.
 */
public final class Positions {
    /** The number of this format, which only the digest contains. */
    private static final String FORMAT = "4 ";
    /** The number of the format of version 0.1, which is read, too. */
    private static final String FORMAT_BEFORE = "3 ";

    /** The number of positions beyond which those of files that no source finds are forgotten, the oldest first. */
    private static final int MOST_POSITIONS = 10_000;

    private final Path file;
    private final Map<String, Position> positions = new LinkedHashMap<>();
    /** The keys of the files that each source found last. */
    private final Map<String, Set<String>> found = new HashMap<>();

    /** The keys whose positions are in the file. */
    private Set<String> stored = Set.of();

    private boolean isChanged;

    private Positions(Path file) {
        this.file = file;
    }

    /**
     * Reads the stored positions; returns no positions if the file is missing.
     *
     * @throws IOException if the file can't be read, or is not a file of positions; the message says what to do
     */
    static Positions read(Path file) throws IOException {
        RegularFile.requireOrNothing(file);
        Positions read = new Positions(file);
        if (!Files.exists(file)) {
            return read;
        }
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        int end = text.lastIndexOf('\n') + 1;
        if (Stream.of(FORMAT, FORMAT_BEFORE)
                .map(format -> digest(format, text.substring(0, end)))
                .noneMatch(text.substring(end)::equals)) {
            throw new IOException(file + " was not written by this version, or it is damaged; remove it to certify all"
                    + " rows again");
        }
        for (String line : text.substring(0, end).lines().toList()) {
            int key = line.indexOf(' ');
            read.positions.put(
                    new String(Base64.getDecoder().decode(line.substring(0, key)), StandardCharsets.UTF_8),
                    Position.parse(line.substring(key + 1)));
        }
        read.stored = Set.copyOf(read.positions.keySet());
        return read;
    }

    /** Returns the keys of all files. */
    Set<String> keys() {
        return Collections.unmodifiableSet(positions.keySet());
    }

    /** Returns the position of a file. */
    Optional<Position> find(String key) {
        return Optional.ofNullable(positions.get(key));
    }

    private void put(String key, Position position) {
        isChanged = true;
        positions.remove(key);
        positions.put(key, position);
        Iterator<String> oldest = positions.keySet().iterator();
        while (positions.size() > MOST_POSITIONS && oldest.hasNext()) {
            String each = oldest.next();
            if (!each.equals(key) && found.values().stream().noneMatch(keys -> keys.contains(each))) {
                oldest.remove();
            }
        }
    }

    /**
     * Takes over the position that {@code certify --follow} of version 0.1 stored in a file next to the CSV, unless the
     * CSV has one already, and removes that file.
     */
    void takeOver(Path before, String key) throws IOException {
        Optional<Position> position = read(before).find("");
        if (position.isPresent() && !positions.containsKey(key)) {
            put(key, position.get());
            write();
        }
        Files.deleteIfExists(before);
    }

    /** Returns the key of a file of a source. */
    static String key(String source, Path path) {
        return source + " " + path;
    }

    /** Replaces the keys of the files that a source has found, whose positions are not forgotten. */
    void found(String source, Set<String> keys) {
        found.put(source, keys);
    }

    /** Returns whether a source has found a file. */
    boolean isFound(Path path) {
        return found.entrySet().stream().anyMatch(source -> source.getValue().contains(key(source.getKey(), path)));
    }

    /** A destination of certificates. */
    @FunctionalInterface
    public interface Sink {
        /** Adds certificates; they are on disk when this method returns. */
        void add(List<byte[]> certificates) throws IOException;

        /** Returns whether no more certificates are accepted, so that reading ends. */
        default boolean isClosed() {
            return false;
        }
    }

    /**
     * Reads a file on for a turn, and then keeps its position, which {@link #write} stores. What the file is is stored
     * before its first certificate, so that its rows are found after a crash and a rotation.
     *
     * @param key the key of the file
     * @param sink the destination of its certificates
     * @return whether another turn would read more at once
     * @throws MalformedCsv if the file can't be read any further; its certificates were added
     */
    boolean advance(String key, SourceFile file, Sink sink) throws IOException, MalformedCsv {
        List<byte[]> certificates = new ArrayList<>();
        try {
            return file.turn(certificates);
        } finally {
            if (!certificates.isEmpty()) {
                storeFirst(key, file.start());
                sink.add(certificates);
            }
            Optional<Position> position = file.position();
            if (position.isPresent()) {
                put(key, position.get());
            }
        }
    }

    private void storeFirst(String key, Optional<Position> start) throws Unstored {
        if (start.isPresent() && !positions.containsKey(key)) {
            put(key, start.get());
        }
        try {
            if (positions.containsKey(key) && !stored.contains(key)) {
                write();
            }
        } catch (IOException e) {
            throw new Unstored(e);
        }
    }

    /** The exception for certificates that are not made, because the position before them can't be stored. */
    static final class Unstored extends IOException {
        private static final long serialVersionUID = 1;

        private Unstored(IOException cause) {
            super("its position can't be stored: " + cause.getMessage(), cause);
        }
    }

    /**
     * Stores the positions, if one was changed. They are first written to a temporary file, which then replaces the
     * file. If this process is killed before the replacement, the temporary file remains.
     */
    void write() throws IOException {
        if (!isChanged) {
            return;
        }
        StringBuilder text = new StringBuilder();
        positions.forEach(
                (key, position) -> text.append(Base64.getEncoder().encodeToString(key.getBytes(StandardCharsets.UTF_8)))
                        .append(' ')
                        .append(position.text())
                        .append('\n'));
        text.append(digest(FORMAT, text.toString()));
        Path next = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + ".next");
        try (FileChannel out = FileChannel.open(next, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = StandardCharsets.ISO_8859_1.encode(text.toString());
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            isChanged = false;
            stored = Set.copyOf(positions.keySet());
        } catch (IOException e) {
            Files.deleteIfExists(next);
            throw e;
        }
    }

    private static String digest(String format, String text) {
        return HexFormat.of().formatHex(Sha256.of((format + text).getBytes(StandardCharsets.ISO_8859_1)));
    }
}
