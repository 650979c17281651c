// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Writes a diagnostics archive into a new file that only its owner may read. If the content of an entry is unavailable,
 * the entry contains the reason instead, and the other entries are still written. Secrets are removed from every entry.
 * The memory required is a few times the size of the largest entry. Not thread-safe.
 */
public final class DiagnosticsArchive {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuuMMdd-HHmmss", Locale.ROOT).withZone(ZoneOffset.UTC);

    private static final byte[] GZIP = {0x1f, (byte) 0x8b};
    private static final Set<StandardOpenOption> NEW = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private final Path file;
    private final Scrubber scrubber;
    private final ZipOutputStream zip;
    private final Instant now;
    private final List<String> contents = new ArrayList<>();

    /** The code that adds the entries. */
    @FunctionalInterface
    public interface Filler {
        /** Adds all entries. */
        void fill(DiagnosticsArchive archive) throws IOException;
    }

    private DiagnosticsArchive(Path file, Scrubber scrubber, ZipOutputStream zip, Instant now) {
        this.file = file;
        this.scrubber = scrubber;
        this.zip = zip;
        this.now = now;
    }

    /**
     * Writes an archive.
     *
     * @return a summary for people: the file, its size and its entries
     * @throws IOException if the file exists already (it is left unchanged), or can't be written (it is deleted)
     */
    public static String write(Path file, Instant now, Scrubber scrubber, Filler filler) throws IOException {
        OutputStream out;
        try {
            out = Channels.newOutputStream(Files.newByteChannel(file, NEW, OWNER_ONLY));
        } catch (FileAlreadyExistsException e) {
            throw new IOException(file + " exists already and was left unchanged; name another file with --output", e);
        }
        DiagnosticsArchive archive;
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            archive = new DiagnosticsArchive(file, scrubber, zip, now);
            filler.fill(archive);
        } catch (IOException | RuntimeException | Error e) {
            Files.deleteIfExists(file);
            throw e;
        }
        return archive.summary();
    }

    /** Returns a file name such as {@code flk-backend-diagnostics-20261120-083000.zip}. */
    public static Path nameFor(String program, Instant now) {
        return Path.of(program + "-diagnostics-" + TIME.format(now) + ".zip");
    }

    /** Adds a text, or the reason why the text is unavailable. */
    public void add(String name, Callable<String> content) throws IOException {
        put(name, () -> scrubber.scrubbed(content.call().getBytes(StandardCharsets.UTF_8)));
    }

    /**
     * Adds the end of a log file, at most {@code mostBytes} bytes; {@code number} distinguishes files with the same
     * name.
     */
    public void addLog(int number, Path log, int mostBytes) throws IOException {
        String name = "logs/" + number + "-" + String.valueOf(log.getFileName()).replaceAll("[^A-Za-z0-9._-]", "_");
        put(name.length() > 90 ? name.substring(0, 90) : name, () -> tail(log, mostBytes, scrubber));
    }

    /**
     * Adds all entries of another archive, in a directory with the name of that archive's file. This program's secrets
     * are removed from these entries too, because the other program could remove only its own secrets.
     *
     * @throws IOException if the other archive can't be read
     */
    public void addArchive(Path other) throws IOException {
        String directory = String.valueOf(other.getFileName()).replaceFirst("\\.zip$", "");
        try (ZipInputStream entries = new ZipInputStream(Files.newInputStream(other))) {
            ZipEntry entry = entries.getNextEntry();
            if (entry == null) {
                throw new IOException(other + " is not an archive of diagnostics; add a log file with --log");
            }
            for (; entry != null; entry = entries.getNextEntry()) {
                byte[] content = entries.readAllBytes();
                put(directory + "/" + entry.getName(), () -> scrubber.scrubbed(content));
            }
        }
    }

    /** Adds a description of the machine, and the free space for each of {@code directories}. */
    public void addMachine(String build, List<Path> directories) throws IOException {
        add("versions.txt", () -> versions(build));
        add("disks.txt", () -> disks(directories));
    }

    private void put(String name, Callable<byte[]> content) throws IOException {
        byte[] bytes;
        boolean isFound = true;
        try {
            bytes = content.call();
        } catch (Exception e) {
            bytes = scrubber.scrubbed(("could not be obtained: " + e + "\n").getBytes(StandardCharsets.UTF_8));
            isFound = false;
        }
        ZipEntry entry = new ZipEntry(name);
        entry.setTimeLocal(LocalDateTime.ofInstant(now, ZoneOffset.UTC));
        zip.putNextEntry(entry);
        zip.write(bytes);
        zip.closeEntry();
        contents.add(isFound ? "%12d  %s".formatted(bytes.length, name) : "%12s  %s".formatted("missing", name));
    }

    private String summary() throws IOException {
        return "%s, %d KiB, readable only by you:\n%s\n"
                        .formatted(file, (Files.size(file) + 1023) >> 10, String.join("\n", contents))
                + "It contains ids, shards, paths and addresses; the secrets of this configuration were\n"
                + "removed. Read it before you share it.\n";
    }

    /** Returns the build, the JVM, the operating system, processors, memory and process limits. */
    private static String versions(String build) {
        String properties = Stream.of(
                        "java.version",
                        "java.vendor",
                        "java.vm.name",
                        "java.vm.version",
                        "java.home",
                        "os.name",
                        "os.version",
                        "os.arch",
                        "file.encoding",
                        "java.io.tmpdir",
                        "user.timezone")
                .map(name -> "%-16s %s\n".formatted(name, System.getProperty(name, "-")))
                .collect(Collectors.joining());
        Runtime runtime = Runtime.getRuntime();
        return "%-16s %s\n".formatted("build", build)
                + properties
                + "%-16s %d\n".formatted("processors", runtime.availableProcessors())
                + "%-16s %d MiB\n".formatted("heap at most", runtime.maxMemory() >> 20)
                + file("/proc/version", 5)
                + file("/etc/os-release", 3)
                + file("/proc/meminfo", 5)
                + file("/proc/loadavg", 1)
                + file("/sys/fs/cgroup/memory.max", 1)
                + file("/sys/fs/cgroup/cpu.max", 1)
                + "\nlimits of this process; those of the running program may differ\n"
                + file("/proc/self/limits", 40);
    }

    private static String file(String name, int lines) {
        try (Stream<String> text = Files.lines(Path.of(name), StandardCharsets.ISO_8859_1)) {
            return text.limit(lines).collect(Collectors.joining("\n", "\n" + name + "\n", "\n"));
        } catch (IOException | java.io.UncheckedIOException e) {
            return "\n" + name + " can't be read\n";
        }
    }

    /** Returns the free space of the file system of each directory. */
    private static String disks(List<Path> directories) {
        StringBuilder text = new StringBuilder("%15s %15s  %s\n".formatted("FREE MiB", "OF MiB", "DIRECTORY"));
        for (Path directory : directories) {
            try {
                FileStore store = Files.getFileStore(directory);
                text.append("%15d %15d  %s (%s)\n"
                        .formatted(store.getUsableSpace() >> 20, store.getTotalSpace() >> 20, directory, store.type()));
            } catch (IOException e) {
                text.append("%15s %15s  %s\n".formatted("-", "missing", directory));
            }
        }
        return text.toString();
    }

    /**
     * Returns the last {@code mostBytes} bytes of a file, without secrets. If the file is longer, these bytes may begin
     * inside a secret, so a note replaces them up to the first line end. If no line ends within these bytes, the note
     * replaces as many bytes as the longest spelling of a secret has.
     *
     * @throws IOException if the file can't be read or searched for secrets
     */
    static byte[] tail(Path file, int mostBytes, Scrubber scrubber) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + " is not a file");
        }
        try (RandomAccessFile log = new RandomAccessFile(file.toFile(), "r")) {
            byte[] first = new byte[GZIP.length];
            if (log.read(first) == GZIP.length && first[0] == GZIP[0] && first[1] == GZIP[1]) {
                throw new IOException(file + " is compressed and can't be searched for secrets; unpack it first");
            }
            long start = Math.max(0, log.length() - mostBytes);
            byte[] tail = new byte[(int) Math.min(mostBytes, log.length() - start)];
            log.seek(start);
            log.readFully(tail);
            return start == 0 ? scrubber.scrubbed(tail) : scrubber.scrubbed(withoutFirst(tail, scrubber));
        }
    }

    private static byte[] withoutFirst(byte[] tail, Scrubber scrubber) {
        String text = new String(tail, StandardCharsets.ISO_8859_1);
        int line = text.indexOf('\n') + 1;
        String rest = text.substring(line > 0 ? line : Math.min(text.length(), scrubber.longest()));
        return ("(the earlier part is omitted)\n" + rest).getBytes(StandardCharsets.ISO_8859_1);
    }
}
