// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.files.ForwardingFiles;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.RecordFormat.Framed;
import dev.flk.wal.segment.SegmentBytes.GzippedFile;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The segments in an archive: a directory that contains copies of segments, compressed or not, and other files. The
 * content of a file shows whether it is a segment, never its name. Several files may be copies of one segment. Nothing
 * is changed. One thread.
 */
public final class SegmentArchive {
    private final FileOps files;
    private final Path directory;

    /** The copies of each segment, by the id and the ordinal in the header. */
    private final Map<String, List<Copy>> segments = new LinkedHashMap<>();

    private final List<String> others = new ArrayList<>();

    /**
     * A copy of a segment.
     *
     * @param file the name of the file
     * @param bytes the size of the file
     */
    record Copy(String file, long bytes, boolean isGzipped, SegmentHeader header, boolean isHeaderBroken) {}

    /** File operations under which the name of a file does not show whether it is compressed. */
    private static final class Unnamed extends ForwardingFiles {
        private static final String SUFFIX = ".archived";

        Unnamed(FileOps files) {
            super(files);
        }

        static Path path(Path directory, String name) {
            return directory.resolve(name + SUFFIX);
        }

        @Override
        public OpenFile openForReading(Path file) throws IOException {
            String name = String.valueOf(file.getFileName());
            return super.openForReading(file.resolveSibling(name.substring(0, name.length() - SUFFIX.length())));
        }
    }

    private SegmentArchive(FileOps files, Path directory) {
        this.files = files;
        this.directory = directory;
    }

    /**
     * Reads the headers of all segments in a directory.
     *
     * @throws IOException if a file can't be read, or another version of this program wrote a segment
     */
    public static SegmentArchive read(FileOps files, Path directory) throws IOException {
        SegmentArchive archive = new SegmentArchive(files, directory);
        for (String name : files.list(directory)) {
            archive.add(name);
        }
        return archive;
    }

    private void add(String name) throws IOException {
        try (SegmentScan scan = scan(name)) {
            if (scan == null) {
                others.add(name);
                return;
            }
            SegmentHeader header = scan.header();
            long bytes = files.status(directory.resolve(name))
                    .map(FileOps.FileStatus::bytes)
                    .orElse(0L);
            segments.computeIfAbsent(header.id() + " " + header.ordinal(), key -> new ArrayList<>())
                    .add(new Copy(name, bytes, isGzipped(name), header, scan.isHeaderBroken()));
        }
    }

    private @Nullable SegmentScan scan(String name) throws IOException {
        return SegmentScan.open(new Unnamed(files), Unnamed.path(directory, name));
    }

    private boolean isGzipped(String name) throws IOException {
        try (OpenFile file = files.openForReading(directory.resolve(name))) {
            return file.readUpTo(0, 2).equals(ByteBuffer.wrap(new byte[] {(byte) 0x1f, (byte) 0x8b}));
        }
    }

    /** Returns the names of the files that are not segments. */
    public List<String> others() {
        return List.copyOf(others);
    }

    /** The segments of one log in an archive; {@code from} and {@code to} are wall times in milliseconds. */
    public record ArchivedLog(String logId, int segments, long from, long to) {}

    /** Returns the logs whose segments are in the archive, by id. */
    public List<ArchivedLog> logs() {
        TreeSet<String> ids = new TreeSet<>();
        segments.values().forEach(copies -> ids.add(copies.get(0).header().logId()));
        return ids.stream().map(this::log).toList();
    }

    private ArchivedLog log(String logId) {
        List<Long> opened = new ArrayList<>();
        copiesOf(logId).forEach(copies -> opened.add(copies.get(0).header().openedMillis()));
        return new ArchivedLog(
                logId,
                opened.size(),
                opened.stream().min(Comparator.naturalOrder()).orElse(0L),
                opened.stream().max(Comparator.naturalOrder()).orElse(0L));
    }

    /** Returns the ordinal of the segment with this id if the log contains it; empty otherwise. */
    public Optional<Long> ordinal(String logId, String segmentId) {
        return copiesOf(logId).stream()
                .map(copies -> copies.get(0).header())
                .filter(header -> header.id().equals(segmentId))
                .map(SegmentHeader::ordinal)
                .findFirst();
    }

    /** Returns whether a file declares losses of any log. */
    public boolean isDeclaration(String name) throws IOException {
        return DeclaredLosses.isDeclaration(files, directory.resolve(name));
    }

    /** Returns the losses of a log that files in the archive declare. */
    public DeclaredLosses losses(String logId) throws IOException {
        return DeclaredLosses.readAny(files, directory, others, logId);
    }

    /** Returns the copies of each segment of a log, newest segment first. */
    Collection<List<Copy>> copiesOf(String logId) {
        return segments.values().stream()
                .filter(copies -> copies.get(0).header().logId().equals(logId))
                .sorted(Comparator.comparingLong(
                                (List<Copy> copies) -> copies.get(0).header().ordinal())
                        .reversed())
                .toList();
    }

    /** Returns whether the archive has a copy of the segment with this id. */
    boolean contains(String id) {
        return !copiesOfSegment(id).isEmpty();
    }

    /** Returns the copies of the segment with this id; empty if the archive does not contain it. */
    List<Copy> copiesOfSegment(String id) {
        return segments.values().stream()
                .filter(copies -> copies.get(0).header().id().equals(id))
                .findFirst()
                .orElse(List.of());
    }

    /**
     * Returns the id of the segment that was opened under a name; empty if the archive has no such segment, or several.
     */
    Optional<String> idOf(String prefix, String openedName) {
        List<String> ids = segments.values().stream()
                .map(copies -> copies.get(0).header())
                .filter(header -> SegmentNames.of(prefix, header.next(), header.openedMillis())
                        .equals(openedName))
                .map(SegmentHeader::id)
                .toList();
        return ids.size() == 1 ? Optional.of(ids.get(0)) : Optional.empty();
    }

    /**
     * Returns the copy with the most complete records among the intact copies; empty if no copy is intact. A copy is
     * intact if nothing but complete records follows its header, which must be intact as well.
     */
    Optional<Copy> intact(List<Copy> copies) throws IOException {
        Optional<Copy> best = Optional.empty();
        long most = -1;
        for (Copy copy : copies) {
            long records = intactRecords(copy);
            if (records > most) {
                best = Optional.of(copy);
                most = records;
            }
        }
        return best;
    }

    /** Returns the copy with the most complete records, intact or not; empty if there are no copies. */
    Optional<Copy> fullest(List<Copy> copies) throws IOException {
        Optional<Copy> best = Optional.empty();
        long most = -1;
        for (Copy copy : copies) {
            long records = 0;
            try (SegmentScan scan = open(copy)) {
                while (scan.nextComplete() != null) {
                    records++;
                }
            }
            if (records > most) {
                best = Optional.of(copy);
                most = records;
            }
        }
        return best;
    }

    /** Opens scans of copies. */
    List<SegmentScan> open(List<Copy> copies) throws IOException {
        List<SegmentScan> scans = new ArrayList<>();
        for (Copy copy : copies) {
            scans.add(open(copy));
        }
        return scans;
    }

    /** Returns the number of records in a copy; -1 if the copy is not intact. */
    private long intactRecords(Copy copy) throws IOException {
        try (SegmentScan scan = scan(copy.file())) {
            if (scan == null || scan.isHeaderBroken()) {
                return -1;
            }
            long records = 0;
            long expectedAt = scan.firstOffset();
            for (Framed next = scan.nextComplete(); next != null; next = scan.nextComplete()) {
                if (next.offset() != expectedAt) {
                    return -1;
                }
                expectedAt = scan.offset();
                records++;
            }
            return scan.endOfContent(expectedAt) == expectedAt ? records : -1;
        }
    }

    /** Opens a scan of a copy. */
    SegmentScan open(Copy copy) throws IOException {
        SegmentScan scan = scan(copy.file());
        if (scan == null) {
            throw new IOException(directory.resolve(copy.file()) + " changed while it was being read");
        }
        return scan;
    }

    /** Opens a copy as it is in the archive, possibly compressed. */
    OpenFile openRaw(Copy copy) throws IOException {
        return files.openForReading(directory.resolve(copy.file()));
    }

    /** Opens the content of a copy, which is decompressed if necessary. */
    OpenFile openContent(Copy copy) throws IOException {
        OpenFile raw = openRaw(copy);
        return copy.isGzipped() ? new GzippedFile(raw) : raw;
    }
}
