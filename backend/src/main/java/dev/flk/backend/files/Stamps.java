// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How files looked before they were read: times of the last change of content and of anything (which nobody can set back), size and inode,
 * of what a link leads to. So a volume of
 * Kubernetes, which changes a link on the way, is seen to have changed. One thread's own.
 */
public final class Stamps {
    private final Map<Path, String> looks = new LinkedHashMap<>();

    /** Notes how a file looks, or that it is not there. */
    public void add(Path file) {
        looks.put(file, look(file));
    }

    /** Whether one of them looks otherwise now. */
    public boolean haveChanged() {
        return looks.entrySet().stream().anyMatch(each -> !each.getValue().equals(look(each.getKey())));
    }

    private static String look(Path file) {
        try {
            return Files.readAttributes(file, "unix:lastModifiedTime,ctime,size,ino,dev")
                    .toString();
        } catch (UnsupportedOperationException e) {
            return withoutInode(file);
        } catch (IOException e) {
            return "not there";
        }
    }

    private static String withoutInode(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
        } catch (IOException e) {
            return "not there";
        }
    }
}
