//! Property lists of a few keys. What goes into them is checked before: no text needs escaping.

/// A document of one dictionary, whose lines are given.
pub(super) fn document(lines: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n{lines}</dict>\n</plist>\n"
    )
}
