// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.FollowedRows;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of a CSV that is rotated. The newest file has the name of the CSV; the others are in the same directory, in
 * the order of the times at which they were modified; within one tick of the clock, first rows decide. Their names are
 * those that logrotate and logging libraries choose, such as {@code rows.csv.1}, {@code rows.csv-20261128} or {@code
 * rows.1.csv}. Compressed files are not read.
 *
 * <p>A file is what is in it. What was read is found by its inode, or by its first and its last bytes:
 *
 * <table>
 * <caption>Where the content is that was read, and what is read after it</caption>
 * <tr><th>content</th><th>next</th></tr>
 * <tr><td>in the CSV</td><td>more of it, when it grows</td></tr>
 * <tr><td>in the CSV, which was replaced by a copy</td><td>more of the copy</td></tr>
 * <tr><td>in a file of another name: it was renamed, or copied and truncated</td><td>the rest of that file, then the
 * file that was modified next</td></tr>
 * <tr><td>nowhere</td><td>the file that was modified next; rows may be missing</td></tr>
 * </table>
 */
final class RotatedCsv {
    private static final Logger LOG = LoggerFactory.getLogger(RotatedCsv.class);
    private static final String COMPRESSED_NAME = "\\.(?:gz|bz2|xz|zst|lz4|lzo|Z|zip)";
    private static final Pattern COMPRESSED = Pattern.compile(".*" + COMPRESSED_NAME);
    /** The maximum number of bytes that are compared at the beginning and at the end of a read part. */
    static final int COMPARED_BYTES = 4096;
    /** The maximum number of bytes at the beginning of a file that are searched for its first line. */
    private static final int BEGINNING_BYTES = 1 << 16;

    private final Path csv;
    private final ForeignFolder folder;
    private final FollowedRows rows;
    private final Predicate<Path> isOther;
    private final Names names;
    private final List<String> losses = new ArrayList<>();
    /** The inodes of the files that were read. */
    private final Set<String> read = new HashSet<>();
    /** The links that were reported as not read. */
    private final Set<Path> reported = new HashSet<>();

    /** @param isOther whether a file is a CSV of its own, whatever its name is */
    RotatedCsv(Path csv, ForeignFolder folder, FollowedRows rows, Predicate<Path> isOther) {
        this.csv = csv;
        this.folder = folder;
        this.rows = rows;
        this.isOther = isOther;
        this.names = new Names(csv);
    }

    /** A file in the directory of the CSV. */
    record Sibling(Path path, String key, long size, FileTime modified) {
        boolean isCompressed() {
            return COMPRESSED.matcher(String.valueOf(path.getFileName())).matches();
        }

        boolean isText() {
            return !isCompressed() && Files.isReadable(path);
        }
    }

    /**
     * The part of a file that was read.
     *
     * @param key its inode
     * @param length the number of bytes that were read
     * @param beginning the digest of the first of them, at most {@value #COMPARED_BYTES}; empty if it is not known
     * @param end the digest of the last of them, at most {@value #COMPARED_BYTES}
     * @param hasRows whether these bytes contain a row, and so tell the file from others
     * @param isBeginningTelling whether the beginning contains a row
     */
    record Content(
            String key, long length, String beginning, String end, boolean hasRows, boolean isBeginningTelling) {}

    /**
     * A file that was read completely, or is lost.
     *
     * @param content what was read; empty if the file was lost before this run
     * @param modified the time at which it was modified last
     * @param heading the lines before its first row
     * @param rest the incomplete line at its end
     */
    record Before(Optional<Content> content, boolean isLost, FileTime modified, byte[] heading, byte[] rest) {}

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
            pattern = Pattern.compile("(?:" + Pattern.quote(name) + "[._-]\\d[\\dT:._-]*|" + Pattern.quote(stem)
                    + "(?:\\.\\d{1,4}|[._-]\\d{4}-?\\d\\d-?\\d\\d[\\dT:._-]*)" + Pattern.quote(name.substring(dot))
                    + ")(?:" + COMPRESSED_NAME + ")?");
        }

        Path csv() {
            return csv;
        }

        /** Returns whether a file is in the directory of the CSV and has such a name. */
        boolean contain(Path file) {
            String name = String.valueOf(file.getFileName());
            return name.startsWith(stem)
                    && Objects.equals(file.getParent(), csv.getParent())
                    && pattern.matcher(name).matches();
        }
    }

    /** Returns descriptions of rows that may be missing before the file that is read now, and forgets them. */
    List<String> takeLosses() {
        List<String> taken = List.copyOf(losses);
        losses.clear();
        return taken;
    }

    /** Adds to the losses that the file of a stored position is missing. */
    void lose(Position position) {
        losses.add("the file in which they were, with inode " + position.key() + ", is not in " + directory()
                + ", or it is compressed or was changed");
    }

    /** Adds to the losses that a file was truncated, or written again, and its content is nowhere. */
    void loseTruncated() {
        losses.add(
                "the file was truncated, or written again with other rows, and " + directory() + " has no copy of it");
    }

    /** Opens the file with the name of the CSV, to be read from its beginning. */
    FollowedFile open() throws IOException {
        return open(sibling(csv), new FollowedFile.Start(new byte[0], false, false, false));
    }

    /** Opens the file with the content of a stored position, to be read from its beginning; empty if it is missing. */
    Optional<FollowedFile> find(Position position) throws IOException {
        Optional<Sibling> found = find(position.content());
        return found.isEmpty()
                ? Optional.empty()
                : Optional.of(open(
                        found.get(),
                        new FollowedFile.Start(position.heading(), position.lead().length > 0, false, false)));
    }

    /** Returns whether what was read of a file is still in the file with the name of the CSV, as its only content. */
    boolean isCurrent(FollowedFile file) throws IOException {
        return newest().filter(newest -> newest.key().equals(file.key())).isPresent() && file.isIntact();
    }

    /** Returns the file that has the content that was read; empty if no file has it. */
    Optional<Sibling> find(Content content) throws IOException {
        List<Sibling> found = new ArrayList<>();
        for (Sibling file : siblings(true)) {
            boolean isSame = file.key().equals(content.key());
            boolean isCsv = file.path().equals(csv);
            if ((isSame || (content.hasRows() && (isCsv || isRotated(file)))) && has(file, content)) {
                found.add(file);
            }
        }
        // without times, a file with the same rows may be the next one
        Comparator<Sibling> byName = Comparator.comparing(file -> !file.path().equals(csv));
        Comparator<Sibling> byKey = Comparator.comparing(file -> !file.key().equals(content.key()));
        return found.stream()
                .min((rows.hasTimes() ? byName.thenComparing(byKey) : byKey.thenComparing(byName))
                        .thenComparing(file -> -file.size()));
    }

    private boolean has(Sibling file, Content content) throws IOException {
        if (file.size() < content.length() || !file.isText()) {
            return false;
        }
        int compared = (int) Math.min(content.length(), COMPARED_BYTES);
        try (FileChannel in = folder.open(file.path())) {
            return hasBeginning(in, content)
                    && digest(bytes(in, content.length() - compared, compared)).equals(content.end());
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private static boolean hasBeginning(FileChannel file, Content content) throws IOException {
        int compared = (int) Math.min(content.length(), COMPARED_BYTES);
        return content.beginning().isEmpty() || digest(bytes(file, 0, compared)).equals(content.beginning());
    }

    /** Continues to read a file in another one, which has the same content. */
    void move(FollowedFile file, Sibling to) throws IOException {
        if (to.path().equals(csv)) {
            LOG.info("{} was replaced by a copy of itself, in which it is read on", csv);
        } else {
            LOG.info("{} was truncated; the rest of its rows is read from {}", csv, to.path());
        }
        file.moveTo(channel(to), to.key());
    }

    /** Throws if the file with the name of the CSV has only the first of the rows that were read. */
    void requireNotShorter(FollowedFile file) throws IOException {
        Optional<Sibling> newest = newest().filter(found -> found.size() < file.position());
        if (newest.isPresent() && rows.hasTimes()) {
            byte[] first = beginning(newest.get());
            byte[] compared = Arrays.copyOf(first, Math.min(FollowedRows.lastLineEnd(first), COMPARED_BYTES));
            if (compared.length > file.headingBytes() && FollowedRows.startsWith(file.beginning(), compared)) {
                throw new IOException(csv + " was replaced by a shorter copy of itself, with "
                        + newest.get().size() + " of the " + file.position()
                        + " bytes that were read; it is read on when it is longer");
            }
        }
    }

    /** Returns the file to be read after a complete one; empty if it has no line yet. */
    Optional<Sibling> next(Before before) throws IOException {
        List<Sibling> later = new ArrayList<>();
        Map<Sibling, Double> firstTimes = new HashMap<>();
        for (Sibling file : siblings(false)) {
            if (file.modified().compareTo(before.modified()) >= 0 && isUnread(file, before)) {
                double time = rows.firstTime(before.heading(), beginning(file));
                if (isLater(file, time, before) && !isCopy(file, before)) {
                    firstTimes.put(file, time);
                    later.add(file);
                }
            }
        }
        Optional<Sibling> next = later.stream()
                .min(Comparator.comparing(Sibling::modified)
                        .thenComparing(firstTimes::get)
                        .thenComparing(file -> String.valueOf(file.path()), Comparator.reverseOrder()));
        Optional<Sibling> newest = newest().filter(file -> before.isLost() || !isOf(before, file));
        return next.isPresent()
                        || newest.isEmpty()
                        || lacksHeading(newest.get(), before).isEmpty()
                ? next
                : newest;
    }

    /** Returns whether a file was modified after the one before, or at the same tick of the clock with later rows. */
    private boolean isLater(Sibling file, double firstTime, Before before) {
        return file.modified().compareTo(before.modified()) > 0
                || (rows.hasTimes() && Double.isFinite(rows.lastTime()) && firstTime >= rows.lastTime());
    }

    private boolean isUnread(Sibling file, Before before) {
        return isRotated(file) && file.isText() && !isOf(before, file) && !read.contains(file.key());
    }

    private static boolean isOf(Before before, Sibling file) {
        return before.content().filter(read -> read.key().equals(file.key())).isPresent();
    }

    /** Returns whether a file is a copy of the file before, or of its beginning. */
    private boolean isCopy(Sibling file, Before before) throws IOException {
        Optional<Content> content = before.content().filter(Content::isBeginningTelling);
        if (content.isEmpty() || !rows.hasTimes()) {
            return false;
        }
        try (FileChannel in = folder.open(file.path())) {
            return hasBeginning(in, content.get());
        }
    }

    private Optional<Boolean> lacksHeading(Sibling file, Before before) throws IOException {
        byte[] first = beginning(file);
        Optional<Boolean> lacks = rows.lacksHeading(before.heading(), first);
        return lacks.equals(Optional.of(false)) && before.rest().length > 0 // the first line may be the rest of a row
                ? rows.lacksHeading(before.heading(), FollowedRows.joined(before.rest(), first))
                : lacks;
    }

    /**
     * Opens the file that {@link #next} returned; empty if a rotation meanwhile may have moved a file that was not
     * seen.
     */
    Optional<FollowedFile> open(Sibling next, Before before) throws IOException {
        List<Sibling> files = siblings(true);
        boolean lacksHeading = lacksHeading(next, before).orElse(false);
        FollowedFile opened = open(
                next,
                new FollowedFile.Start(
                        before.heading(), lacksHeading, lacksHeading && before.rest().length > 0, before.isLost()));
        if (!keys(siblings(true)).equals(keys(files))
                || !next(before).filter(next::equals).isPresent()) {
            opened.close();
            return Optional.empty();
        }
        LOG.info("continuing with {}", next.path());
        before.content().ifPresent(content -> read.add(content.key()));
        read.retainAll(files.stream().map(Sibling::key).toList());
        files.stream()
                .filter(file -> isRotated(file) && !file.isText())
                .filter(file -> file.modified().compareTo(before.modified()) > 0)
                .sorted(Comparator.comparing(Sibling::modified))
                .skip(before.isLost() ? 1 : 0) // the first one may be the lost file
                .forEach(file -> losses.add(file.path() + (file.isCompressed() ? " is compressed" : " can't be read")));
        return Optional.of(opened);
    }

    private static List<String> keys(List<Sibling> files) {
        return files.stream()
                .map(file -> file.path() + " " + file.key())
                .sorted()
                .toList();
    }

    /** Returns the first line of a file. */
    byte[] firstLine(Sibling file) throws IOException {
        byte[] first = beginning(file);
        return Arrays.copyOf(first, FollowedRows.lineEnd(first, 0));
    }

    private FollowedFile open(Sibling file, FollowedFile.Start start) throws IOException {
        return new FollowedFile(this, channel(file), file.key(), file.modified(), start);
    }

    private FileChannel channel(Sibling file) throws IOException {
        FileChannel content = folder.open(file.path());
        if (!sibling(file.path()).key().equals(file.key())) {
            content.close();
            throw new NoSuchFileException(file.path().toString());
        }
        return content;
    }

    /** Returns the present name of a file; empty if it is the name of the CSV, or no name in the directory. */
    Optional<String> otherNameOf(String key) throws IOException {
        return siblings(true).stream()
                .filter(file -> file.key().equals(key) && !file.path().equals(csv))
                .map(file -> file.path().toString())
                .findFirst();
    }

    /** Returns the time at which a file was modified if it has the name of the CSV. */
    Optional<FileTime> lastModified(String key) throws IOException {
        return newest().filter(file -> file.key().equals(key)).map(Sibling::modified);
    }

    /** Returns the file with the name of the CSV; empty if it is missing at the moment. */
    private Optional<Sibling> newest() throws IOException {
        try {
            return Optional.of(sibling(csv));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    private Path directory() {
        return Optional.ofNullable(csv.getParent()).orElse(Path.of("."));
    }

    /**
     * Returns the regular files next to the CSV that its rotation may have named, or all.
     *
     * @param all whether files with other names, and the CSV itself, are included
     */
    private List<Sibling> siblings(boolean all) throws IOException {
        List<Sibling> found = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory())) {
            for (Path file : files) {
                Path path = csv.resolveSibling(file.getFileName());
                if ((all || names.contain(path)) && Files.isRegularFile(path) && isInFolder(path)) {
                    found.add(sibling(path));
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        } catch (NoSuchFileException e) {
            LOG.debug("a rotation is in progress", e);
        }
        return found;
    }

    private boolean isInFolder(Path path) throws IOException {
        Optional<String> objection = Files.isSymbolicLink(path) ? folder.objection(path) : Optional.empty();
        if (objection.isPresent() && reported.add(path)) {
            LOG.warn("{}", objection.get());
        }
        return objection.isEmpty();
    }

    private boolean isRotated(Sibling file) {
        return names.contain(file.path()) && !isOther.test(file.path());
    }

    private static Sibling sibling(Path path) throws IOException {
        BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
        String key = String.valueOf(Objects.requireNonNullElse(found.fileKey(), found.creationTime()));
        return new Sibling(path, key, found.size(), found.lastModifiedTime());
    }

    /** Returns the first bytes of a file after a block of NUL, of which one remains, up to the end of a line. */
    private byte[] beginning(Sibling file) throws IOException {
        try (FileChannel content = folder.open(file.path())) {
            byte[] bytes = bytes(content, 0, BEGINNING_BYTES);
            byte[] block = new byte[BEGINNING_BYTES]; // a block of NUL may have any length
            for (long from = block.length; Arrays.equals(bytes, block); from += block.length - 1) {
                bytes = bytes(content, from - 1, block.length);
            }
            return FollowedFile.withoutNulBlocks(bytes);
        }
    }

    static String digest(byte[] bytes) {
        return HexFormat.of().formatHex(Sha256.of(bytes));
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
