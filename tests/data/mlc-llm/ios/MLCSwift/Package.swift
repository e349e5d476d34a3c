// swift-tools-version:5.5
