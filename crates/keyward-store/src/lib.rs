//! SQLite storage for every Keyward part, behind one write door.
