// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.Beginning;
import dev.flk.agent.certify.FollowedRows.FirstRows;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.ForeignFolder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of a CSV that is rotated. The newest file has the name of the CSV; the others are in the same directory.
 * Their names are those that logrotate and logging libraries choose, such as {@code rows.csv.1}, {@code
 * rows.csv-20261128} or {@code rows.1.csv}. Compressed files are not read.
 */
final class RotatedCsv {
    private static final Logger LOG = LoggerFactory.getLogger(RotatedCsv.class);
    private static final Pattern COMPRESSED = Pattern.compile(".*\\.(gz|bz2|xz|zst|lz4|lzo|Z|zip)");
    /** The maximum number of beginnings of files that were read, and the number of bytes of each, with few rows. */
    private static final int MOST_READ = 128;

    private static final int READ_BYTES = 512;

    private final Path csv;
    private final ForeignFolder folder;
    private final FollowedRows rows;
    private final Names names;
    private final List<String> losses = new ArrayList<>();
    /** The beginnings of the files that were read, with at least one row. */
    private final Deque<byte[]> readBeginnings = new ArrayDeque<>();
    /** The inodes of the files that were written after a file that was read, and are not read yet. */
    private final Set<String> awaited = new HashSet<>();
    /** The inodes of the files, and the links, that were reported as not read. */
    private final Set<String> reported = new HashSet<>();

    /** The last look at the directory that found no next file; null if the files must be read. */
    private @Nullable Look lastLook;

    /** The result of a look at the directory, without the contents of the files. */
    private record Look(String key, long position, Optional<Sibling> newest, List<Sibling> readable) {}

    /** A file in the directory of the CSV. */
    private record Sibling(Path path, String key, long size, FileTime modified) {
        boolean isCompressed() {
            return COMPRESSED.matcher(name()).matches();
        }

        boolean isText() {
            return !isCompressed() && Files.isReadable(path);
        }

        String name() {
            return String.valueOf(path.getFileName());
        }
    }

    /** The file that was read before the one that is searched. */
    private record Before(
            String key,
            boolean isTruncated,
            boolean mayEndWithinLine,
            FileTime modified,
            byte[] heading,
            int rowsAt,
            byte[] incomplete,
            byte[] beginning) {}

    RotatedCsv(Path csv, ForeignFolder folder, FollowedRows rows) {
        this.csv = csv;
        this.folder = folder;
        this.rows = rows;
        this.names = new Names(csv);
    }

    /** The names that a rotation gives to the files of a CSV. */
    static final class Names {
        private final Path csv;
        private final String stem;
        private final Pattern pattern;

        Names(Path csv) {
            this.csv = csv;
            String name = String.valueOf(csv.getFileName());
            int dot = name.lastIndexOf('.') > 0 ? name.lastIndexOf('.') : name.length();
            stem = name.substring(0, dot);
            pattern = Pattern.compile(Pattern.quote(name) + "[.~_-].+|"
                    + Pattern.quote(stem) + "(\\.\\d{1,4}|[._-]\\d{4}-?\\d\\d-?\\d\\d[\\dT:._-]*)"
                    + Pattern.quote(name.substring(dot)) + "("
                    + COMPRESSED.pattern().substring(2) + ")?");
        }

        /** Returns whether a file in the directory of the CSV has such a name. */
        boolean contain(Path file) {
            String name = String.valueOf(file.getFileName());
            return name.startsWith(stem)
                    && pattern.matcher(name).matches()
                    && !name.startsWith(Positions.prefix(String.valueOf(csv.getFileName())));
        }

        /** Returns whether a file, in any directory, is one of the rotation. */
        boolean containPath(Path file) {
            return Objects.equals(file.getParent(), csv.getParent()) && contain(file);
        }
    }

    FollowedRows rows() {
        return rows;
    }

    /** Returns descriptions of rows that may be missing before the file that is read now, and forgets them. */
    List<String> takeLosses() {
        List<String> taken = List.copyOf(losses);
        losses.clear();
        return taken;
    }

    /** Opens the file with the name of the CSV, to be read from its beginning. */
    FollowedFile open() throws IOException {
        return open(sibling(csv), new byte[0], new byte[0]);
    }

    /**
     * Opens the file of a stored position: the file with the same inode, under any name in the directory, or a copy of
     * it, to be read from its beginning. Returns empty if it is missing.
     */
    Optional<FollowedFile> find(Position position) throws IOException {
        List<Sibling> all = siblings(true);
        for (Sibling file : all) {
            if (file.key().equals(position.key()) && hasBytesOf(file, position)) {
                return Optional.of(open(file, position.lead(), position.heading()));
            }
        }
        for (Sibling file : all) {
            if (position.length() > 0 && isOfThisCsv(file) && file.isText() && hasBytesOf(file, position)) {
                return Optional.of(open(file, position.lead(), position.heading()));
            }
        }
        return Optional.empty();
    }

    /** Adds to the losses that the file of a stored position is missing. */
    void lose(Position position) {
        losses.add("the file in which they were, with inode " + position.key() + ", is not in " + directory()
                + ", or it is compressed or was changed");
    }

    /**
     * Opens the file after the one of a stored position, which is missing; empty if that file has no row yet.
     *
     * @param storedAt the time at which the position was stored
     */
    Optional<FollowedFile> next(Position position, FileTime storedAt) throws IOException {
        return next(new Before("", true, false, storedAt, position.heading(), 0, new byte[0], new byte[0]));
    }

    private boolean hasBytesOf(Sibling file, Position position) throws IOException {
        if (file.size() < position.length()) {
            return false;
        }
        int compared = (int) Math.min(position.length(), FollowedFile.COMPARED_BYTES);
        try (FileChannel content = folder.open(file.path())) {
            byte[] bytes = bytes(content, position.length() - compared, compared);
            return HexFormat.of().formatHex(Sha256.of(bytes)).equals(position.digest());
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /** Returns the copy that was made of a file before it was truncated; null if the directory has no copy. */
    @Nullable
    FileChannel copyOf(FollowedFile truncated) throws IOException {
        for (Sibling file : siblings(false)) {
            if (file.isText() && file.size() >= truncated.position()) {
                FileChannel content = folder.open(file.path());
                if (truncated.hasComparedBytes(content)) {
                    LOG.info("{} was truncated; the rest of its rows is read from {}", csv, file.path());
                    return content;
                }
                content.close();
            }
        }
        losses.add("the file was truncated, and " + directory() + " has no copy of it");
        return null;
    }

    /** Returns whether a file is complete: another file follows it, and the beginning of that file is known. */
    boolean hasNext(FollowedFile read) throws IOException {
        Optional<Sibling> newest = newest();
        if (!read.isTruncated() && newest.isPresent() && newest.get().key().equals(read.key())) {
            return false;
        }
        List<Sibling> files = siblings(false);
        Look look = new Look(
                read.key(),
                read.position(),
                newest,
                files.stream().filter(Sibling::isText).toList());
        if (look.equals(lastLook)) {
            return false;
        }
        Before before = before(read);
        try {
            boolean hasNext =
                    chosen(before, newest, unread(before, newest, files)).isPresent();
            lastLook = hasNext ? null : look;
            return hasNext;
        } catch (NoSuchFileException e) {
            LOG.debug("a rotation is in progress", e);
            return false;
        }
    }

    /** Returns the file to be read next; empty if the beginning of the newest file is not known yet. */
    private Optional<Sibling> chosen(Before before, Optional<Sibling> newest, List<Unread> unread) throws IOException {
        Optional<Sibling> earlier = first(unread);
        boolean isDecided = earlier.isPresent()
                || (newest.isPresent()
                        && rows.beginning(before.heading(), beginning(newest.get())) != Beginning.UNDECIDED);
        return isDecided ? earlier.or(() -> newest) : Optional.empty();
    }

    private static Before before(FollowedFile read) throws IOException {
        return new Before(
                read.key(),
                read.isTruncated(),
                read.mayEndWithinLine(),
                read.lastModified(),
                read.heading(),
                rowsAt(read),
                read.incomplete(),
                read.beginning());
    }

    /** Returns the number of bytes before the first row; all bytes if the file begins with the rest of a line. */
    private static int rowsAt(FollowedFile read) throws IOException {
        byte[] heading = read.heading();
        return read.lead().length > heading.length
                ? read.beginning().length
                : read.lead().length > 0 ? 0 : heading.length;
    }

    /** Opens the file after a complete one; empty if that file was renamed or truncated since {@link #hasNext}. */
    Optional<FollowedFile> next(FollowedFile read) throws IOException {
        return next(before(read));
    }

    private Optional<FollowedFile> next(Before before) throws IOException {
        try {
            List<Sibling> files = siblings(false);
            Optional<Sibling> newest = newest();
            List<Unread> unread = unread(before, newest, files);
            Optional<Sibling> chosen = chosen(before, newest, unread);
            if (chosen.isEmpty()) {
                return Optional.empty();
            }
            FollowedFile next = open(chosen.get(), before);
            // a rotation meanwhile may have moved a file that the list does not contain
            if (newest().map(Sibling::key).equals(newest.map(Sibling::key))
                    && names(siblings(false)).equals(names(files))) {
                LOG.info("continuing with {}", chosen.get().path());
                remember(before);
                reportUnreadable(before, files);
                reportSkipped(before, chosen.get(), unread);
                return Optional.of(next);
            }
            next.close();
        } catch (NoSuchFileException e) {
            LOG.debug("a rotation is in progress", e);
        }
        return Optional.empty();
    }

    /** Returns the file with the name of the CSV; empty if it is missing at the moment. */
    private Optional<Sibling> newest() throws IOException {
        try {
            return Optional.of(sibling(csv));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    private static List<String> names(List<Sibling> files) {
        return files.stream()
                .map(file -> file.name() + " " + file.key())
                .sorted()
                .toList();
    }

    /**
     * A file with rows, or of another kind, that was not read and is not the newest.
     *
     * @param rows its first rows; empty if they can't be read
     * @param isLater whether it is read between the file before and the newest
     */
    private record Unread(Sibling file, Optional<FirstRows> rows, boolean isLater) {}

    /** Returns the files that were not read, apart from the newest. */
    private List<Unread> unread(Before before, Optional<Sibling> newest, List<Sibling> files) throws IOException {
        List<Unread> unread = new ArrayList<>();
        byte[] newestBytes = newest.isPresent() ? beginning(newest.get()) : new byte[0];
        for (Sibling file : files) {
            if (file.isText()) {
                byte[] bytes = beginning(file);
                boolean isNewest = newest.isPresent()
                        && (file.key().equals(newest.get().key())
                                || (file.size() <= newest.get().size() && FollowedRows.startsWith(newestBytes, bytes)));
                if (!isNewest && !isRead(before, file, bytes)) {
                    unread(before, file, bytes).ifPresent(unread::add);
                }
            }
        }
        return unread;
    }

    private boolean isRead(Before before, Sibling file, byte[] bytes) {
        if ((!before.isTruncated() && file.key().equals(before.key()))
                || (before.beginning().length > before.heading().length
                        && FollowedRows.startsWith(bytes, before.beginning()))) {
            return true;
        }
        // a copy may be shorter, but without times, equal rows do not show that a file is a copy
        byte[] complete = Arrays.copyOf(bytes, FollowedRows.lastLineEnd(bytes));
        return rows.hasTimes()
                && Stream.concat(readBeginnings.stream(), firstRead(before).stream())
                        .anyMatch(known -> FollowedRows.startsWith(bytes, known)
                                || (complete.length > 0 && FollowedRows.startsWith(known, complete)));
    }

    private void remember(Before before) {
        firstRead(before).ifPresent(readBeginnings::add);
        if (readBeginnings.size() > MOST_READ) {
            readBeginnings.remove();
        }
    }

    /** Returns the first complete lines of a file that was read; empty if they have no row. */
    private static Optional<byte[]> firstRead(Before before) {
        byte[] first = before.beginning();
        byte[] bytes = Arrays.copyOf(first, Math.min(first.length, before.rowsAt() + READ_BYTES));
        int complete = FollowedRows.lastLineEnd(bytes);
        // the heading of UTF-16 is not known
        boolean hasRow = complete > before.rowsAt() && !FollowedRows.isWide(bytes);
        return hasRow ? Optional.of(Arrays.copyOf(bytes, complete)) : Optional.empty();
    }

    /** Returns whether a file was written after the file before, or perhaps after it was rotated. */
    private boolean isLater(Before before, Sibling file, FirstRows first) {
        boolean isNewer = file.modified().compareTo(before.modified()) > 0;
        // after a clock was set back, the first row may be earlier;
        // while no row was read, all times are later, also those of files from before the start
        return (first.hasTimes() && Double.isFinite(rows.lastTime()))
                ? first.time() > rows.lastTime() || (isNewer && rows.mayFollow(first.latestTime()))
                : isNewer;
    }

    /** Returns the first of the files that are read before the newest. */
    private Optional<Sibling> first(List<Unread> unread) {
        return unread.stream()
                .filter(Unread::isLater)
                .reduce((one, other) -> isBefore(other, one) ? other : one)
                .map(Unread::file);
    }

    private boolean isBefore(Unread one, Unread other) {
        FirstRows its = one.rows().orElseThrow();
        FirstRows others = other.rows().orElseThrow();
        if (!its.isTwice() && !others.isTwice() && its.time() != others.time()) {
            return its.time() < others.time();
        }
        // the times do not show which is first
        return Comparator.comparing((Unread each) -> each.file().modified())
                        .thenComparing(each -> -each.file().size())
                        .thenComparing(each -> each.file().name(), Comparator.reverseOrder())
                        .compare(one, other)
                < 0;
    }

    /** Returns a file that was not read; empty if it has no row. */
    private Optional<Unread> unread(Before before, Sibling file, byte[] bytes) throws IOException {
        if (bytes.length == 0) {
            return Optional.empty();
        }
        byte[] text =
                FollowedRows.joined(lead(before, file, bytes), Arrays.copyOf(bytes, FollowedRows.lastLineEnd(bytes)));
        try {
            return rows.firstRows(text)
                    .map(first -> first.hasTimes() == rows.hasTimes()
                            ? new Unread(file, Optional.of(first), isLater(before, file, first))
                            : new Unread(file, Optional.empty(), false));
        } catch (MalformedCsv e) {
            return Optional.of(new Unread(file, Optional.empty(), false)); // another kind of file
        }
    }

    /** Returns the bytes to be read before those of a file, because the file lacks them. */
    private byte[] lead(Before before, Sibling file, byte[] bytes) throws IOException {
        // an earlier file may seem to continue the line, too, but was not modified later
        if (before.mayEndWithinLine()
                && file.modified().compareTo(before.modified()) > 0
                && rows.continuesLine(before.heading(), before.incomplete(), bytes)) {
            return FollowedRows.joined(before.heading(), before.incomplete());
        }
        return rows.beginning(before.heading(), bytes) == Beginning.ROWS ? before.heading() : new byte[0];
    }

    /** Reports files that can't be read and were written after a file. One of them may be that file itself. */
    private void reportUnreadable(Before before, List<Sibling> files) {
        boolean isThere = files.stream().anyMatch(file -> file.key().equals(before.key()));
        files.stream()
                .filter(file -> !file.isText())
                .filter(file -> file.modified().compareTo(before.modified()) > 0)
                .sorted(Comparator.comparing(Sibling::modified))
                .skip(isThere && !before.isTruncated() ? 0 : 1)
                .forEach(file -> losses.add(file.path() + (file.isCompressed() ? " is compressed" : " can't be read")));
    }

    /**
     * Reports files that were written after the file before and were not read when no file remains before the newest;
     * each once. Until then they may be the rest of a line of a file that is not read yet.
     */
    private void reportSkipped(Before before, Sibling chosen, List<Unread> unread) {
        unread.stream()
                .filter(each -> each.isLater() || each.file().modified().compareTo(before.modified()) > 0)
                .forEach(each -> awaited.add(each.file().key()));
        awaited.remove(chosen.key());
        if (!chosen.path().equals(csv)) {
            return;
        }
        for (Unread each : unread) {
            if (awaited.contains(each.file().key()) && reported.add(each.file().key())) {
                losses.add(each.file().path() + " was written later, but was not read: "
                        + (each.rows().isEmpty()
                                ? "its first lines can't be read as rows of this CSV"
                                : "its first rows are not after the last row that was read"));
            }
        }
        awaited.clear();
    }

    private FollowedFile open(Sibling file, Before before) throws IOException {
        return open(file, lead(before, file, beginning(file)), before.heading());
    }

    private FollowedFile open(Sibling file, byte[] lead, byte[] heading) throws IOException {
        FileChannel content = folder.open(file.path());
        if (!sibling(file.path()).key().equals(file.key())) {
            content.close();
            throw new NoSuchFileException(file.path().toString());
        }
        return new FollowedFile(
                this, content, file.key(), file.modified(), !file.path().equals(csv), lead, heading);
    }

    /** Returns the present name of a file; empty if it is the name of the CSV, or no name in the directory. */
    Optional<String> otherNameOf(String key) throws IOException {
        return siblings(true).stream()
                .filter(file -> file.key().equals(key) && !file.path().equals(csv))
                .map(file -> file.path().toString())
                .findFirst();
    }

    Optional<FileTime> lastModified(String key) throws IOException {
        return newest().filter(file -> file.key().equals(key)).map(Sibling::modified);
    }

    private Path directory() {
        return Optional.ofNullable(csv.getParent()).orElse(Path.of("."));
    }

    /**
     * Returns the regular files next to the CSV that its rotation may have named, or all, the CSV itself first.
     *
     * @param all whether files with other names, and the CSV itself, are included
     */
    private List<Sibling> siblings(boolean all) throws IOException {
        List<Sibling> found = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory())) {
            for (Path file : files) {
                Path path = csv.resolveSibling(file.getFileName());
                if (Files.isRegularFile(path) && (all || (names.contain(path) && !path.equals(csv)))) {
                    try {
                        Optional<String> objection =
                                Files.isSymbolicLink(path) ? folder.objection(path) : Optional.empty();
                        if (objection.isEmpty()) {
                            found.add(sibling(path));
                        } else if (reported.add(path.toString())) {
                            LOG.warn("{}", objection.get());
                        }
                    } catch (NoSuchFileException e) {
                        LOG.debug("a rotation is in progress", e);
                    }
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        found.sort(
                Comparator.comparing((Sibling file) -> !file.path().equals(csv)).thenComparing(Sibling::name));
        return found;
    }

    private boolean isOfThisCsv(Sibling file) {
        return file.path().equals(csv) || names.contain(file.path());
    }

    private static Sibling sibling(Path path) throws IOException {
        BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
        String key = String.valueOf(Objects.requireNonNullElse(found.fileKey(), found.creationTime()));
        return new Sibling(path, key, found.size(), found.lastModifiedTime());
    }

    private byte[] beginning(Sibling file) throws IOException {
        try (FileChannel content = folder.open(file.path())) {
            byte[] bytes = bytes(content, 0, FollowedFile.BEGINNING_BYTES);
            boolean isWide = FollowedRows.isWide(bytes);
            byte[] block = new byte[FollowedFile.BEGINNING_BYTES]; // a block of NUL may have any length
            for (long from = block.length; Arrays.equals(bytes, block); from += block.length - 1) {
                bytes = bytes(content, from - 1, block.length);
            }
            return isWide ? bytes : FollowedRows.withoutNulBlocks(bytes);
        }
    }

    /** Returns the bytes of a file from a position; fewer than {@code length} if the file ends before. */
    static byte[] bytes(FileChannel file, long from, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        int read = 0;
        while (read >= 0 && bytes.hasRemaining()) {
            read = file.read(bytes, from + bytes.position());
        }
        return Arrays.copyOf(bytes.array(), bytes.position());
    }
}
