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
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * An archive in the making, a new file that its owner alone may read. What can't be had is told in its place, and the rest goes in all
 * the same. Nothing goes in that was not searched for secrets. Memory: the largest entry, a few times over. One thread.
 */
public final class DiagnosticsArchive {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuuMMdd-HHmmss", Locale.ROOT).withZone(ZoneOffset.UTC);

    private static final Set<StandardOpenOption> NEW = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private final Path file;
    private final Scrubber scrubber;
    private final ZipOutputStream zip;
    private final Instant now;
    private final List<String> contents = new ArrayList<>();

    /** What an entry is to hold. */
    @FunctionalInterface
    public interface Content {
        /** Its text; an {@link IOException} says why it can't be had. */
        String text() throws IOException;
    }

    /** What is to go in. */
    @FunctionalInterface
    public interface Filler {
        /** Adds all of it. */
        void fill(DiagnosticsArchive archive) throws IOException;
    }

    private DiagnosticsArchive(Path file, Scrubber scrubber, ZipOutputStream zip, Instant now) {
        this.file = file;
        this.scrubber = scrubber;
        this.zip = zip;
        this.now = now;
    }

    /**
     * Makes one.
     *
     * @return for people: where it is, how large, and what is in it
     * @throws IOException if there is a file of that name, which is left alone, or it can't be written; then nothing of it is left
     */
    public static String write(Path file, Instant now, Scrubber scrubber, Filler filler) throws IOException {
        OutputStream out;
        try {
            out = Channels.newOutputStream(Files.newByteChannel(file, NEW, OWNER_ONLY));
        } catch (FileAlreadyExistsException e) {
            throw new IOException(file + " is there already and was left alone; name another with --output", e);
        }
        DiagnosticsArchive archive;
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            archive = new DiagnosticsArchive(file, scrubber, zip, now);
            filler.fill(archive);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(file);
            throw e;
        }
        return archive.summary();
    }

    /** {@code flk-backend-diagnostics-20261120-083000.zip}. */
    public static Path nameFor(String program, Instant now) {
        return Path.of(program + "-diagnostics-" + TIME.format(now) + ".zip");
    }

    /** Adds a text, or why it can't be had. */
    public void add(String name, Content content) throws IOException {
        String text;
        boolean isThere = true;
        try {
            text = content.text();
        } catch (IOException | RuntimeException e) {
            text = "could not be had: " + e + "\n";
            isThere = false;
        }
        put(name, scrubber.scrubbed(text.getBytes(StandardCharsets.UTF_8)), isThere);
    }

    /** Adds the end of a log file; its number tells those of the same name apart. */
    public void addLog(int number, Path log, int mostBytes) throws IOException {
        String name = "logs/" + number + "-" + String.valueOf(log.getFileName()).replaceAll("[^A-Za-z0-9._-]", "_");
        String shortened = name.length() > 90 ? name.substring(0, 90) : name;
        byte[] tail;
        boolean isThere = true;
        try {
            tail = LogTail.of(log, mostBytes, scrubber);
        } catch (IOException e) {
            tail = scrubber.scrubbed(("could not be had: " + e + "\n").getBytes(StandardCharsets.UTF_8));
            isThere = false;
        }
        put(shortened, tail, isThere);
    }

    /** Adds what it all runs on. */
    public void addMachine(String build, List<Path> directories) throws IOException {
        add("versions.txt", () -> Machine.versions(build));
        add("disks.txt", () -> Machine.disks(directories));
    }

    private void put(String name, byte[] content, boolean isThere) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        entry.setTimeLocal(LocalDateTime.ofInstant(now, ZoneOffset.UTC));
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
        contents.add(isThere ? "%12d  %s".formatted(content.length, name) : "%12s  %s".formatted("not there", name));
    }

    private String summary() throws IOException {
        return "%s, %d KiB, readable for you only:\n%s\n"
                        .formatted(file, (Files.size(file) + 1023) >> 10, String.join("\n", contents))
                + "It has ids, shards, paths and addresses; the secrets of this configuration were\n"
                + "taken out. Read it before you give it away.\n";
    }

    /** What it all runs on. */
    private static final class Machine {
        private Machine() {}

        /** The build, the JVM, the system, processors, memory, limits of a process. */
        static String versions(String build) {
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
                    + "\nlimits of this process, which those of the running one may differ from\n"
                    + file("/proc/self/limits", 40);
        }

        private static String file(String name, int lines) {
            try (Stream<String> text = Files.lines(Path.of(name), StandardCharsets.ISO_8859_1)) {
                return text.limit(lines).collect(Collectors.joining("\n", "\n" + name + "\n", "\n"));
            } catch (IOException | java.io.UncheckedIOException e) {
                return "\n" + name + " can't be read\n";
            }
        }

        /** How much room there is for each of them. */
        static String disks(List<Path> directories) {
            StringBuilder text = new StringBuilder("%15s %15s  %s\n".formatted("FREE MiB", "OF MiB", "DIRECTORY"));
            for (Path directory : directories) {
                try {
                    FileStore store = Files.getFileStore(directory);
                    text.append("%15d %15d  %s (%s)\n"
                            .formatted(
                                    store.getUsableSpace() >> 20,
                                    store.getTotalSpace() >> 20,
                                    directory,
                                    store.type()));
                } catch (IOException e) {
                    text.append("%15s %15s  %s\n".formatted("-", "not there", directory));
                }
            }
            return text.toString();
        }
    }

    /** The end of a log file. */
    static final class LogTail {
        private static final byte[] GZIP = {0x1f, (byte) 0x8b};

        private LogTail() {}

        /**
         * The last bytes of a file, from the beginning of a line on, without secrets; one that was cut in two is not left in part.
         *
         * @throws IOException if it can't be read, or searched for secrets
         */
        static byte[] of(Path file, int mostBytes, Scrubber scrubber) throws IOException {
            if (!Files.isRegularFile(file)) {
                throw new IOException(file + " is no file");
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
            return ("(its earlier part is left out)\n" + rest).getBytes(StandardCharsets.ISO_8859_1);
        }
    }
}
